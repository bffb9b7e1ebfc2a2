"""What is too large is refused by a line that gives the bound, before time or memory is spent."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import partialpool as pp
import pytest
from partialpool import limits
from partialpool.errors import (
    ArgumentError,
    DataError,
    DesignError,
    FormulaError,
    PartialPoolError,
)
from partialpool.tables.layout import LONGEST_LABEL

ROWS = 12_000


@pytest.fixture(scope="module")
def many() -> pd.DataFrame:
    """12,000 rows with an id of 6,000 levels, and one of a level a row."""
    row = np.arange(ROWS)
    return pd.DataFrame(
        {
            "y": np.random.default_rng(1).normal(size=ROWS),
            "x": np.sin(row),
            "id": [f"p{i}" for i in row // 2],
            "row": row,
            "a": row * 7919 % 90,
            "b": row * 104_729 % 80,
            "g": row % 40,
        }
    )


def wide(data: pd.DataFrame, formula: str) -> Any:
    return pp.lmer(formula, data)


REFUSED: list[tuple[str, type[PartialPoolError], str]] = [
    ("y ~ id + (1 | g)", DesignError, r"'id' has 6,000 levels.*GiB.*5,000.*\(1 \| id\)"),
    ("y ~ x + x:id + (1 | g)", DesignError, r"'id' has 6,000 levels.*5,000"),
    ("y ~ C(row) + (1 | g)", DesignError, r"'row' has 12,000 levels for 12,000 rows"),
    ("y ~ C(a) * C(b) + (1 | g)", DesignError, r"`C\(a\):C\(b\)` has 7,031 columns"),
    ("y ~ 1 + (C(a) | g)", DesignError, r"90 columns.*4,095 covariance parameters.*1,000"),
    ("y ~ 1 + (id || g)", DesignError, r"6,000 covariance parameters.*1,000"),
    ("y ~ poly(x, degree=1000000000) + (1 | g)", FormulaError, r"`degree`.*above the 100"),
    ("y ~ poly(x, 1000000000) + (1 | g)", FormulaError, r"`degree`.*above the 100"),
    ("y ~ poly(x, -1) + (1 | g)", FormulaError, r"`degree` must be a whole number of at least 1"),
    ("y ~ poly(x, 0) + (1 | g)", FormulaError, r"`degree` must be a whole number of at least 1"),
    ("y ~ bs(x, degree=0) + (1 | g)", FormulaError, r"`degree` must be a whole number of at least"),
    ("y ~ ns(x, df=10000) + (1 | g)", FormulaError, r"`df`.*above the 1,000"),
    ("y ~ bs(x, df=1e300) + (1 | g)", FormulaError, r"`df`.*above the 1,000"),
    ("y ~ 1 + (cr(x, df=10000) | g)", FormulaError, r"`df`.*above the 1,000"),
]


@pytest.mark.parametrize(("formula", "kind", "says"), REFUSED)
def test_columns_are_counted_before_any_is_made(
    many: pd.DataFrame,
    formula: str,
    kind: type[PartialPoolError],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("columns were made")

    for maker in ("in_memory.InMemory._make", "in_memory.InMemory._written"):
        monkeypatch.setattr(f"partialpool.design.{maker}", never)
    monkeypatch.setattr("partialpool.design.transforms.Evaluation.basis", never)
    with pytest.raises(kind, match=says):
        wide(many, formula)


def test_lm_counts_its_columns_too(many: pd.DataFrame) -> None:
    with pytest.raises(DesignError, match="'id' has 6,000 levels"):
        pp.lm("y ~ id", many)


def test_columns_beyond_the_memory_are_refused_by_the_factor(
    many: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "_free", lambda: 128.0 * 2**20)
    data = many.assign(f=many["row"] % 1_500)
    with pytest.raises(DesignError, match=r"'f' has 1,500 levels.*needs 0\.\d+ GiB.*0\.11 GiB"):
        wide(data, "y ~ C(f) + (1 | g)")


def test_many_terms_are_refused_when_they_need_formulaic(many: pd.DataFrame) -> None:
    data = many.assign(**{f"x{i}": many["x"] for i in range(10)})
    with pytest.raises(DesignError, match=r"1,024 terms|1,025 terms"):
        wide(data, "y ~ exp(x) + " + "*".join(f"x{i}" for i in range(10)) + " + (1 | g)")


def test_many_products_are_refused_by_their_number(many: pd.DataFrame) -> None:
    data = many.assign(**{f"x{i}": many["x"] for i in range(13)})
    with pytest.raises(DesignError, match=r"8,192 columns.*5,000"):
        wide(data, "y ~ " + "*".join(f"x{i}" for i in range(13)) + " + (1 | g)")


@pytest.fixture(scope="module")
def fit() -> Any:
    return pp.lmer("Reaction ~ Days + (1 | Subject)", pp.load_dataset("sleepstudy"))


HUGE: list[Callable[[Any], Any]] = [
    lambda fit: fit.simulate(10**12),
    lambda fit: fit.simulate(10**400),
    lambda fit: pp.bootstrap(fit, nsim=10**12),
    lambda fit: fit.confint("boot", nsim=np.int64(10**15)),
    lambda fit: pp.pb_test(fit, pp.lm("Reaction ~ Days", fit.design.source), nsim=10**20),
    lambda fit: pp.exact_rlrt(fit, nsim=10**15),
    lambda fit: fit.simulate(np.array([3])),
    lambda fit: pp.bootstrap(fit, nsim=np.array([3])),
    lambda fit: pp.bootstrap(fit, nsim=3, seed=np.array([3])),
    lambda _: pp.make_design({"s": 10**12}),
    lambda _: pp.make_design({"s": 100_000, "t": 100_000}),
    lambda _: pp.make_design({"s": 5}, within={f"w{i}": [0, 1] for i in range(60)}),
    lambda _: pp.make_design({"s": 5}, between={f"w{i}": [0, 1] for i in range(60)}),
    lambda _: pp.make_design({"s": 5}, replicates=10**18),
    lambda _: pp.make_design({"s": 5}, within={"w": range(10**12)}),
    lambda _: pp.make_design({"s": 5}, between={"w": itertools.count()}),
    *(
        lambda fit, name=name, value=value: pp.sample(
            fit.formula, fit.design.source, **{name: value}
        )
        for name in ("chains", "draws", "warmup", "cores", "max_depth")
        for value in (10**9, 10**20, np.int64(10**15), 10**400, float("inf"))
    ),
]


@pytest.mark.parametrize("ask", HUGE)
def test_numbers_of_absurd_size_are_refused(ask: Callable[[Any], Any], fit: Any) -> None:
    with pytest.raises(ArgumentError, match=r"at most|GiB|whole number"):
        ask(fit)


def test_draws_that_no_memory_holds_are_refused_by_their_size(fit: Any) -> None:
    with pytest.raises(ArgumentError, match=r"needs 298 GiB.*at hand; ask for fewer draws"):
        pp.sample(fit.formula, fit.design.source, chains=100, draws=100_000_000)


def test_numbers_may_be_numpys(fit: Any) -> None:
    post = pp.sample(
        fit.formula,
        fit.design.source,
        chains=np.int64(1),
        draws=np.int32(5),
        warmup=np.uint8(5),
        progress=False,
    )
    assert post.values.shape[:2] == (1, 5)
    assert np.shape(post.predict(draws=np.int64(2)))[0] == 2
    long_sum = " + ".join(["sigma"] * 1_000)
    with pytest.raises(ArgumentError, match="more than 150 deep"):
        post.hypothesis(f"{long_sum} > 0")
    with pytest.raises(ArgumentError, match="10,000 that are read"):
        post.hypothesis(f"{'sigma' * 100_000} > 0")
    with pytest.raises(ArgumentError, match="10,000 that are read"):
        fit.test("+".join(["Days"] * 100_000))


def test_memory_that_ulimit_or_a_container_leaves_is_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "_address_space", lambda: 100.0 * 2**20)
    assert limits.memory_limit() == pytest.approx(90 * 2**20)
    with pytest.raises(ArgumentError, match=r"it needs 0\.12 GiB, more than the 0\.088 GiB"):
        limits.require_memory(2.0**27, "it", "ask for less")


def test_labels_and_names_of_any_length_leave_tables_and_messages_readable() -> None:
    labels = np.array([c * 300_000 for c in "abc"], dtype=object)
    row = np.arange(60)
    data = pd.DataFrame(
        {
            "y": np.random.default_rng(2).normal(size=60),
            "f": labels[row % 3],
            "g": row // 6,
        }
    )
    model = pp.lmer("y ~ f + (1 | g)", data)
    for shown in (str(model), model._repr_html_(), str(pp.emmeans(model, "f"))):
        assert len(shown) < 30 * LONGEST_LABEL
    with pytest.raises(PartialPoolError) as told:
        model.predict(data.assign(f="q" * 300_000))
    assert len(str(told.value)) <= 2_000
    with pytest.raises(DataError) as told:
        pp.lmer(f"y ~ {'v' * 9_000} + (1 | g)", data)
    assert len(str(told.value)) <= 2_000


def test_pairs_of_very_many_means_are_refused(many: pd.DataFrame) -> None:
    from partialpool.inference.means.contrasts import contrast_set

    with pytest.raises(ArgumentError, match="1,999,000 pairs"):
        contrast_set("pairwise", [str(i) for i in range(2_000)])

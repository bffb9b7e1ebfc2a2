"""Arguments are checked once, in `partialpool.arguments`, and alike everywhere."""

from collections.abc import Callable
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import partialpool as pp
import pytest
from partialpool import arguments
from partialpool.errors import ArgumentError
from partialpool.figures.posterior.predictive import replicated

matplotlib.use("agg")

FORMULA = "Reaction ~ Days + (Days | Subject)"
SLEEP = pp.load_dataset("sleepstudy")


@pytest.fixture(scope="module")
def fit() -> pp.LinearMixedModel:
    return pp.lmer(FORMULA, SLEEP)


@pytest.fixture(scope="module")
def post() -> pp.Posterior:
    return short_run(1)


def short_run(seed: Any) -> pp.Posterior:
    options = {"chains": 1, "warmup": 20, "draws": 10, "progress": False}
    return pp.sample(FORMULA, SLEEP, seed=seed, **options)


#: Everything that takes a seed: from a fit, a posterior and the seed, to numbers.
Seeded = Callable[[pp.LinearMixedModel, pp.Posterior, Any], Any]
SEEDED: dict[str, Seeded] = {
    "sample": lambda f, p, s: short_run(s).values,
    "predict": lambda f, p, s: p.predict(kind="response", seed=s)["mean"],
    "predictive": lambda f, p, s: replicated(p, 2, 50, s)[1],
    "simulate": lambda f, p, s: f.simulate(2, seed=s),
    "simulate_lmm": lambda f, p, s: pp.simulate_lmm(
        "y ~ Days + (1 | Subject)", SLEEP, [1, 2], {"Subject": [1]}, sigma=1, seed=s
    )["y"],
    "bootstrap": lambda f, p, s: pp.bootstrap(f, nsim=2, seed=s).replicates,
    "statistic": lambda f, p, s: pp.bootstrap(f, lambda g: g.beta, nsim=2, seed=s).replicates,
    "confint": lambda f, p, s: f.confint("boot", nsim=2, seed=s),
    "tidy": lambda f, p, s: f.tidy(conf_int=True, conf_method="boot", nsim=2, seed=s)["conf_low"],
    "pb_test": lambda f, p, s: (
        pp.pb_test(f, pp.lmer("Reaction ~ 1 + (Days | Subject)", SLEEP), nsim=2, seed=s).sample
    ),
    "exact": lambda f, p, s: (
        pp.exact_rlrt(pp.lmer("Reaction ~ Days + (1 | Subject)", SLEEP), nsim=4, seed=s).sample
    ),
    "power": lambda f, p, s: pp.power(FORMULA, SLEEP, f, nsim=2, seed=s).p_values,
    "plot_data": lambda f, p, s: (
        pp.plot_data("Reaction ~ 1 | Subject", SLEEP, seed=s).axes[0].collections[0].get_offsets()
    ),
}
WRONG = [-1, 2**64, 2**70, 1.0, True, "1", np.float64(3), np.bool_(1), np.int64(-2), [1], np.nan]


@pytest.mark.parametrize("name", SEEDED)
def test_a_seed_is_the_same_everywhere(name: str, fit: Any, post: Any) -> None:
    call = SEEDED[name]
    for wrong in WRONG:
        with pytest.raises(ArgumentError, match=r"^seed must be a whole number from 0 to 2\*\*64"):
            call(fit, post, wrong)
    three = np.asarray(call(fit, post, 3), dtype=float)
    for same in (np.int64(3), np.uint8(3), np.array(3)):
        np.testing.assert_array_equal(np.asarray(call(fit, post, same), dtype=float), three)
    for end in (0, 2**64 - 1, None):
        call(fit, post, end)


def test_the_largest_seed_is_no_other() -> None:
    fit = pp.lmer(FORMULA, SLEEP)
    ends = [pp.bootstrap(fit, nsim=2, seed=s).replicates for s in (0, 2**64 - 1, 2**63)]
    assert len({e.tobytes() for e in ends}) == 3


def test_numpys_streams_are_taken_by_simulate() -> None:
    fit = pp.lmer(FORMULA, SLEEP)
    a, b = (fit.simulate(1, seed=np.random.default_rng(4)) for _ in range(2))
    pd.testing.assert_frame_equal(a, b)
    pd.testing.assert_frame_equal(a, fit.simulate(1, seed=4))


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["fit", "sleepstudy", FORMULA, "--bayes", "--seed", "-1"], "seed must be a whole"),
        (["fit", "sleepstudy", FORMULA, "--bayes", "--seed", str(2**64)], "seed must be a whole"),
        (["fit", "sleepstudy", FORMULA, "--ddf", "none"], "--ddf must be one of"),
    ],
)
def test_the_command_has_the_same_checks(command: list[str], says: str, run: Any) -> None:
    code, _, err = run(*command)
    assert code != 0
    assert says in err


def test_fresh_seeds_differ_and_are_seeds() -> None:
    found = {arguments.check_seed(None) for _ in range(20)}
    assert len(found) > 15
    assert all(arguments.check_seed(seed) == seed for seed in found)


@pytest.mark.parametrize("wrong", [0, 1, -0.1, 95, True, "0.95", None, np.nan, np.inf])
def test_levels(wrong: Any, fit: Any) -> None:
    calls: list[Callable[[Any], Any]] = [
        lambda v: fit.confint(level=v),
        lambda v: fit.predict(interval="confidence", level=v),
        lambda v: fit.tidy(conf_int=True, conf_level=v),
        lambda v: pp.emmeans(
            pp.lmer("yield ~ irrigation + (1 | field)", IRRIGATION), "irrigation", level=v
        ),
        lambda v: pp.bootstrap(fit, nsim=2, seed=1).confint(level=v),
    ]
    for call in calls:
        with pytest.raises(ArgumentError, match="level must lie between 0 and 1"):
            call(wrong)
        call(np.float32(0.5))


IRRIGATION = pp.load_dataset("irrigation")


@pytest.mark.parametrize("wrong", [0, -1, 2.0, True, "3", None, np.nan])
def test_counts(wrong: Any, fit: Any) -> None:
    for call in (fit.simulate, lambda n: pp.bootstrap(fit, nsim=n, seed=1)):
        with pytest.raises(ArgumentError, match="must be a positive whole number"):
            call(wrong)
        call(np.int32(2))


@pytest.mark.parametrize("word", ["Kenward-Roger", "KR", "kenward_roger", "kenward roger", "kr"])
def test_kenward_rogers_method_by_any_spelling(word: str, fit: Any) -> None:
    assert str(fit.anova(ddf=word)) == str(fit.anova(ddf="kenward-roger"))
    assert str(fit.summary(word)) == str(fit.summary("kenward-roger"))
    ours, theirs = (fit.tidy(ddf=d)["df"] for d in (word, "kenward-roger"))
    np.testing.assert_array_equal(ours, theirs)
    assert str(fit.test("Days", word)) == str(fit.test("Days", "kenward-roger"))
    assert str(fit.drop1(word)) == str(fit.drop1("kenward-roger"))


def test_other_choices_as_r_spells_them(fit: Any) -> None:
    model = pp.lmer("yield ~ variety + (1 | field)", IRRIGATION)
    means = pp.emmeans(model, "variety", ddf="Satterthwaite")
    assert str(means.contrast("trt.vs.ctrl")) == str(means.contrast("trt_vs_ctrl"))
    assert str(means.contrast("Pairwise")) == str(means.contrast("pairwise"))
    assert str(means.contrast("pairwise", adjust="Bonferroni")) == str(
        means.contrast("pairwise", adjust="bonferroni")
    )
    pd.testing.assert_frame_equal(fit.confint("Wald"), fit.confint("wald"))
    perc, norm = (fit.confint("boot", nsim=9, seed=1, boot_type=t) for t in ("perc", "norm"))
    pd.testing.assert_frame_equal(perc, fit.confint("boot", nsim=9, seed=1))
    assert not np.allclose(perc, norm)
    np.testing.assert_array_equal(fit.residuals("Pearson"), fit.residuals("pearson"))
    fit.plot.residuals(kind="Scale_Location")


@pytest.mark.parametrize("wrong", ["", "satter", 3, None, ["wald"], "ken ward"])
def test_what_is_no_choice_is_refused_with_those_there_are(wrong: Any) -> None:
    with pytest.raises(
        ArgumentError, match="ddf must be one of 'kenward-roger', 'asymptotic', not"
    ):
        arguments.check_choice(wrong, "ddf", ("kenward-roger", "asymptotic"))


@pytest.mark.parametrize("wrong", [0, 1, "yes", None, 1.0])
def test_flags(wrong: Any, fit: Any) -> None:
    for call in (lambda v: pp.lmer(FORMULA, SLEEP, reml=v), lambda v: fit.influence(refit=v)):
        with pytest.raises(ArgumentError, match="must be True or False"):
            call(wrong)
    assert arguments.check_flag(np.bool_(0), "x") is False


EDITS = {"seed": 2**64, "chains": 0, "draws": 3, "warmup": -1, "target_accept": 2, "method": "x"}

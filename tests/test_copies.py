"""Copies and pickles of fits, posteriors and results answer the same numbers."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import partialpool as pp
import pytest

SLEEP = pp.load_dataset("sleepstudy")
FORMULA = "Reaction ~ Days + (Days | Subject)"
COPIES: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda x: pickle.loads(pickle.dumps(x)),
    "copy of a copy": lambda x: copy.deepcopy(pickle.loads(pickle.dumps(copy.copy(x)))),
}


def told(answer: Any) -> Any:
    """An answer's numbers, to the last bit."""
    if isinstance(answer, pd.DataFrame | pd.Series):
        return told(answer.to_dict()), str(answer.index)
    if isinstance(answer, dict):
        return {key: told(value) for key, value in answer.items()}
    if isinstance(answer, tuple | list):
        return [told(value) for value in answer]
    if isinstance(answer, float | np.floating | np.ndarray):
        return np.asarray(answer).tobytes()
    return answer if isinstance(answer, int | None) else str(answer)


def fit() -> pp.LinearMixedModel:
    return pp.lmer(FORMULA, SLEEP)


def answers_of_fit(f: pp.LinearMixedModel) -> list[Any]:
    """With the table of the data at hand, which a pickle has not, more of them."""
    out = [f.criterion, f.beta, f.vcov, f.theta, f.sigma, f.summary(), f.varcorr, f.formula]
    out += [f.ranef(condsd=True), f.anova(ddf="kenward-roger"), f.tidy()]
    if f.design.y is not None:
        out += [f.confint("profile"), f.fitted, f.hatvalues]
        out += [pp.bootstrap(f, nsim=3, seed=1).replicates]
        out += [f.simulate(2, seed=3).to_numpy(), f.update(". ~ . - Days", data=SLEEP).beta]
    if f.design.table is not None:
        out += [f.augment(), f.update(". ~ . - Days").beta]
    return out


def posterior(method: str, folder: Path, loaded: str = "") -> pp.Posterior:
    options: Any = {"chains": 2, "warmup": 40, "draws": 30, "seed": 1, "progress": False}
    post = pp.sample(FORMULA, SLEEP, method=method, **options)  # pyright: ignore
    if loaded:
        post.save(folder / "post")
        post = pp.load_posterior(folder / "post", SLEEP if loaded == "rows" else None)
    return post


def answers_of_posterior(p: pp.Posterior) -> list[Any]:
    out: list[Any] = [p.values, p.stats, p.summary(), p.diagnostics, p.settings, p.formula]
    out += [p.ranef(), p.tidy(), p.glance(), p.random_draws, p.hypothesis("Days > 9")]
    if p.fit.design.y is not None:
        out += [p.predict(kind="response", seed=2), p.loo(), p.stan_code(), p.stan_data()]
    return out


def loaded_fit(folder: Path, data: Any = None) -> pp.LinearMixedModel:
    fit().save(folder / "fit")
    return pp.load(folder / "fit", data)


def means() -> Any:
    model = pp.lmer("yield ~ irrigation + variety + (1 | field)", pp.load_dataset("irrigation"))
    return pp.emmeans(model, "irrigation")


def answers_of_means(m: Any) -> list[Any]:
    return [m.estimate, m.vcov, m.df, m, m.pairs(), m.contrast("poly"), m.to_frame(), m.confint()]


def answers_of_profile(p: Any) -> list[Any]:
    return [p.points, p.confint(), p]


def exact() -> Any:
    return pp.exact_rlrt(pp.lmer("Reaction ~ Days + (1 | Subject)", SLEEP), nsim=50, seed=1)


def pb() -> Any:
    return pp.pb_test(fit(), pp.lmer("Reaction ~ 1 + (Days | Subject)", SLEEP), nsim=5, seed=1)


CASES: dict[str, tuple[Callable[[Path], Any], Callable[[Any], list[Any]]]] = {
    "lmer": (lambda _: fit(), answers_of_fit),
    "lmer by ML": (
        lambda _: pp.lmer(
            "yield ~ treat + (1 | blend)",
            pp.load_dataset("penicillin"),
            reml=False,
        ),
        lambda f: [f.criterion, f.beta, f.theta, f.ranef(condsd=True), f.hatvalues, f.summary()],
    ),
    "lmer, loaded": (loaded_fit, answers_of_fit),
    "lmer, loaded with rows": (lambda p: loaded_fit(p, SLEEP), answers_of_fit),
    "refitted": (lambda _: fit().refit(SLEEP["Reaction"][::-1].to_numpy()), answers_of_fit),
    "lm": (
        lambda _: pp.lm("Reaction ~ Days", SLEEP),
        lambda m: [m.beta, m.vcov, m.sigma, m, pp.emmeans(m, "Days")],
    ),
    "lm_list": (
        lambda _: pp.lm_list("Reaction ~ Days | Subject", SLEEP),
        lambda m: [m.coef(), m.sigma, m, m.failures],
    ),
    "collapsed": (lambda p: posterior("collapsed", p), answers_of_posterior),
    "joint": (lambda p: posterior("joint", p), answers_of_posterior),
    "collapsed, loaded": (lambda p: posterior("collapsed", p, "file"), answers_of_posterior),
    "joint, loaded": (lambda p: posterior("joint", p, "rows"), answers_of_posterior),
    "means": (lambda _: means(), answers_of_means),
    "means of lm": (
        lambda _: pp.emmeans(pp.lm("yield ~ variety", pp.load_dataset("irrigation")), "variety"),
        lambda m: [m.estimate, m.df, m.pairs(), m],
    ),
    "profile": (lambda _: fit().profile(), answers_of_profile),
    "bootstrap": (
        lambda _: pp.bootstrap(fit(), nsim=6, seed=1),
        lambda b: [b.replicates, b.confint(), b.std_error, b],
    ),
    "power": (
        lambda _: pp.power(FORMULA, SLEEP, fit(), nsim=5, seed=1),
        lambda p: [p.p_values, p],
    ),
    "influence": (lambda _: fit().influence("Subject"), lambda i: [i.cooks_distance, i]),
    "summary": (lambda _: fit().summary(), lambda s: [s, s.coefficients, s._repr_html_()]),
    "anova": (lambda _: fit().anova(), lambda a: [a, a.to_frame()]),
    "ranova": (lambda _: fit().ranova(), lambda a: [a]),
    "comparison": (
        lambda _: pp.anova(fit(), pp.lmer("Reaction ~ 1 + (Days | Subject)", SLEEP)),
        lambda a: [a],
    ),
    "exact test": (lambda _: exact(), lambda t: [t.sample, t.p_value, t]),
    "bootstrap test": (lambda _: pb(), lambda t: [t.sample, t.p_value, t]),
    "joint tests": (lambda _: pp.joint_tests(fit()), lambda t: [t]),
    "cross-products": (
        lambda _: pp.CrossProducts.of(FORMULA, SLEEP),
        lambda c: [c.nobs, c.fit().beta, c.merge(c).fit().sigma],
    ),
    "hypothesis": (
        lambda p: posterior("collapsed", p).hypothesis("Days > 9"),
        lambda h: [h],
    ),
    "loo": (lambda p: posterior("collapsed", p).loo(), lambda e: [e.elpd, e.pareto_k, e]),
    "priors": (lambda _: pp.default_priors(FORMULA, SLEEP), lambda t: [t]),
    "formula": (lambda _: pp.parse_formula(FORMULA), lambda f: [f, f.text]),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_copy_answers_the_same_numbers(name: str, tmp_path: Path) -> None:
    make, answers = CASES[name]
    thing = make(tmp_path)
    # Before anything is asked, and after, when some of it is kept.
    early = {how: copied(thing) for how, copied in COPIES.items()}
    want = told(answers(thing))
    if isinstance(thing, pp.LinearMixedModel):
        assert thing.design.table is early["deepcopy"].design.table
    late = {how: copied(thing) for how, copied in COPIES.items()}
    for how in COPIES:
        for copied in (early[how], late[how]):
            found = told(answers(copied))
            # A pickle has no table of data.
            assert found == (want if how in ("copy", "deepcopy") else want[: len(found)]), how
            assert len(found) >= len(want) - 2
    assert told(answers(thing)) == want


def test_a_deep_copy_of_a_posterior_is_another() -> None:
    post = posterior("collapsed", Path())
    other = copy.deepcopy(post)
    other.values[:] = 0
    assert not np.any(post.values == 0)

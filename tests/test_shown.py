"""What is returned shows itself: a short text, and HTML in a notebook."""

import warnings

import pandas as pd
import partialpool as pp
import pytest

MODEL = "Reaction ~ Days + (Days | Subject)"


@pytest.fixture(scope="module")
def results():
    sleep = pp.load_dataset("sleepstudy")
    fit, small = pp.lmer(MODEL, sleep), pp.lmer("Reaction ~ Days + (1 | Subject)", sleep)
    with warnings.catch_warnings(action="ignore"):  # so few draws have not mixed
        post = pp.sample(MODEL, sleep, chains=2, warmup=200, draws=200, seed=1)
    design = pp.make_design({"g": 8}, {"x": [1, 2, 3]})
    effects = {"beta": [1, 1], "sd": {"g": [1]}, "sigma": 1}
    return {
        "fit": fit,
        "summary": fit.summary(),
        "anova": fit.anova(),
        "ranova": fit.ranova(),
        "test": fit.test("Days"),
        "convergence": fit.convergence,
        "profile": fit.profile(),
        "ranef": fit.ranef(),
        "coef": fit.coef(),
        "influence": fit.influence(by="Subject"),
        "means": pp.emmeans(fit, []),
        "joint tests": pp.joint_tests(fit),
        "comparison of models": pp.anova(fit, small),
        "bootstrap": pp.bootstrap(fit, nsim=20, seed=1),
        "bootstrap test": pp.pb_test(fit, small, nsim=20, seed=1),
        "exact test": pp.exact_rlrt(small, nsim=1000, seed=1),
        "lm": pp.lm("Reaction ~ Days", sleep),
        "lm_list": pp.lm_list("Reaction ~ Days | Subject", sleep),
        "variance components": pp.variance_components("Reaction ~ 1 + (1 | Subject)", sleep),
        "posterior": post,
        "posterior ranef": post.ranef(),
        "loo": post.loo(),
        "waic": post.waic(),
        "compare": pp.compare(fit, post),
        "diagnostics": post.diagnostics,
        "hypothesis": post.hypothesis("Days > 0"),
        "priors": post.priors,
        "prior": pp.half_normal(5),
        "power": pp.power("y ~ x + (1 | g)", design, effects, nsim=20, seed=1),
    }


def test_reprs_are_short_and_name_no_internals(results):
    for name, result in results.items():
        text = repr(result)
        assert 0 < len(text) < 4000, name
        assert " object at 0x" not in text, name
        assert "array(" not in text, name


def test_every_result_has_html(results):
    for name, result in results.items():
        html = result._repr_html_()
        assert "<table" in html or "<pre>" in html, name
        assert html.count("<") == html.count(">"), name


def test_accessors_say_what_they_draw(results):
    for owner in ("fit", "posterior"):
        text = repr(results[owner].plot)
        assert text.startswith("Figures:")
        assert ".caterpillar()" in text


def test_names_are_escaped_in_the_html_of_texts_and_frames():
    data = pd.DataFrame({"y": [1.0, 2, 4, 3, 5, 9], "<b>": ["u", "v", "w"] * 2})
    fit = pp.lmer("y ~ 1 + (1 | `<b>`)", data)
    for result in (fit.ranef(), fit.convergence, fit.profile()):
        assert "<b>" not in result._repr_html_()


def test_long_texts_are_cut_at_a_line_and_say_so():
    from partialpool.tables.printed import cut

    text = "\n".join(f"line {i}" for i in range(2000))
    shown = cut(text).split("\n")
    assert len("\n".join(shown)) <= 4000
    left = 2000 - (len(shown) - 1)
    assert shown[-1] == f"… {left} more lines: print() shows all"
    assert shown[-2] == f"line {len(shown) - 2}"

"""What notebooks show of fits, baselines and tables of tests: escaped, in the page's colours."""

import numpy as np
import pandas as pd
import partialpool as pp
import pytest

BAD = "<script>alert('x')</script>"


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(5)
    group = np.arange(90) % 9
    x = rng.normal(size=90)
    y = x + rng.normal(size=9)[group] + 0.3 * rng.normal(size=90)
    names = [f"{BAD}{g}" for g in group]
    return pd.DataFrame({"y": y, BAD: x, f"g{BAD}": names})


@pytest.fixture(scope="module")
def shown(data):
    fit = pp.lmer(f"y ~ `{BAD}` + (1 | `g{BAD}`)", data)
    small = pp.lmer(f"y ~ 1 + (1 | `g{BAD}`)", data)
    return {
        "fit": fit,
        "summary": fit.summary(),
        "varcorr": fit.varcorr,
        "lm": pp.lm(f"y ~ `{BAD}`", data),
        "lm_list": pp.lm_list(f"y ~ `{BAD}` | `g{BAD}`", data),
        "anova": fit.anova(),
        "ranova": fit.ranova(),
        "comparison": pp.anova(small, fit),
    }


KINDS = ("fit", "summary", "varcorr", "lm", "lm_list", "anova", "ranova", "comparison")


@pytest.mark.parametrize("kind", KINDS)
def test_names_are_escaped(shown, kind):
    html = shown[kind]._repr_html_()
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert "<table" in html


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "varcorr"])  # pandas styles its own
def test_colours_are_those_of_the_notebook(shown, kind):
    html = shown[kind]._repr_html_()
    assert "color: inherit" in html
    assert "background: transparent" in html


def test_numbers_are_those_of_the_text(data):
    model = pp.lm("y ~ 1", data)
    html = model._repr_html_()
    estimate, error = str(model).splitlines()[4].split()[1:3]
    assert f">{estimate}<" in html
    assert f">{error}<" in html


def test_many_groups_are_cut_and_counted():
    rng = np.random.default_rng(6)
    frame = pd.DataFrame({"y": rng.normal(size=200), "g": np.arange(200) % 70})
    html = pp.lm_list("y ~ 1 | g", frame)._repr_html_()
    assert html.count("<tr>") == 61
    assert "60 of 70 groups shown" in html

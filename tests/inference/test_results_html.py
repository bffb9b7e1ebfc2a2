"""Every result that prints a table is a table in a notebook, with names escaped and none lost."""

import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import partialpool as pp
import pytest

NAMES = {
    "script": "<script>alert('x')</script>",
    "attribute": "\"><img src=x onerror='alert(1)'>",
    "entities": "&lt;b&gt; & \"quotes\" 'too'",
    "emoji": "🐉 élève",
    "long": "w" * 200,
}
RESULTS = (
    "fit",
    "summary",
    "anova",
    "ranova",
    "comparison",
    "contrast",
    "contrasts",
    "kenward_roger",
    "exact",
    "pb_test",
    "bootstrap",
    "profile",
    "aov",
    "components",
    "means",
    "pairs",
    "trends",
    "joint_tests",
    "influence",
    "lm",
    "lm_list",
)
ALLOWED = {
    "div", "style", "p", "code", "table", "caption", "thead", "tbody", "tr", "th", "td",
    "details", "summary",
}  # fmt: skip


class Fragment(HTMLParser):
    """Elements, and the text outside of the style sheet."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.words = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.words.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.words))


def made(name):
    """Results whose columns, levels and groups all carry the name."""
    rng = np.random.default_rng(8)
    group = np.arange(72) % 12
    kind = rng.integers(0, 2, 72)
    x = rng.normal(size=72)
    y, x_name, kind_name, g = (f"{n}{name}" for n in "yxkg")
    frame = pd.DataFrame(
        {
            y: x + kind + rng.normal(size=12)[group] + 0.3 * rng.normal(size=72),
            x_name: x,
            kind_name: np.array([f"a{name}", f"b{name}"])[kind],
            g: [f"{i}{name}" for i in group],
        }
    )
    fit = pp.lmer(f"`{y}` ~ `{x_name}` + `{kind_name}` + (1 | `{g}`)", frame)
    small = pp.lmer(f"`{y}` ~ `{kind_name}` + (1 | `{g}`)", frame)
    model = pp.lm(f"`{y}` ~ `{x_name}` + `{kind_name}`", frame)
    means = pp.emmeans(fit, kind_name)
    second = fit.fixed_names[1]
    return {
        "fit": fit,
        "summary": fit.summary(),
        "anova": fit.anova(),
        "ranova": fit.ranova(),
        "comparison": pp.anova(small, fit),
        "contrast": fit.test({second: 1.0}),
        "contrasts": fit.test(np.eye(3)[1:]),
        "kenward_roger": pp.kr_test(fit, small),
        "exact": pp.exact_rlrt(fit, nsim=200, seed=1),
        "pb_test": pp.pb_test(fit, small, nsim=5, seed=1),
        "bootstrap": pp.bootstrap(fit, nsim=5, seed=1),
        "profile": fit.profile([second, "sigma"]),
        "aov": pp.aov(f"`{y}` ~ `{kind_name}`", frame),
        "components": pp.variance_components(f"`{y}` ~ 1 + (1 | `{g}`)", frame, method="reml"),
        "means": means,
        "pairs": means.pairs(),
        "trends": pp.emtrends(fit, kind_name, var=x_name),
        "joint_tests": pp.joint_tests(fit),
        "influence": fit.influence(g),
        "lm": model,
        "lm_list": pp.lm_list(f"`{y}` ~ `{x_name}` | `{g}`", frame),
    }


@pytest.fixture(scope="module", params=list(NAMES))
def results(request):
    return NAMES[request.param], made(NAMES[request.param])


@pytest.mark.parametrize("which", RESULTS)
def test_names_are_escaped_and_none_is_lost(results, which):
    name, found = results
    html = found[which]._repr_html_()
    page = Fragment(html)
    assert {tag for tag, _ in page.elements} <= ALLOWED
    assert {key for _, a in page.elements for key in a} <= {"class", "scope"}
    assert "table" in {tag for tag, _ in page.elements}
    assert re.sub(r"\s+", " ", name) in page.text
    assert "color: inherit" in html


@pytest.fixture(scope="module")
def plain():
    return made("")


@pytest.mark.parametrize("which", RESULTS)
def test_numbers_of_the_text_are_in_the_table(plain, which):
    """Those with a point, which pandas may show with more digits."""
    pattern = r"(?<![\w.])-?\d+\.\d+(?:e-\d+)?(?![\w.])"
    page = Fragment(plain[which]._repr_html_()).text
    shown = np.array([float(n) for n in re.findall(pattern, page)])
    numbers = [float(n) for n in re.findall(pattern, str(plain[which]))]
    assert numbers
    assert [n for n in numbers if not np.isclose(shown, n, rtol=2e-4, atol=0).any()] == []

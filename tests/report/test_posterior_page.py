"""The report of a posterior."""

import re
import warnings

import partialpool as pp
import pytest
from partialpool.errors import ArgumentError
from partialpool.report.posterior_page import posterior_html

MODEL = "Reaction ~ Days + (Days | Subject)"


@pytest.fixture(scope="module")
def post():
    sleep = pp.load_dataset("sleepstudy")
    priors = {"sd": pp.half_normal(50)}
    return pp.sample(MODEL, sleep, priors=priors, chains=2, warmup=200, draws=300, seed=1)


def test_page_has_every_parameter_with_prior_and_mixing(post):
    page = posterior_html(post)
    for name in post.variables:
        assert page.count(f">{name}<") >= 3, name
    assert page.count("half_normal(50)") >= 2
    assert "2 chains of 300 draws after 200 of warm-up, seed 1" in page
    assert post.diagnostics.verdict.split(":")[0] in page
    assert len(re.findall(r'<img src="data:', page)) == 4


def test_numbers_are_those_of_the_draws(post):
    mean = f"{float(post.draws('sigma').mean()):.4g}"
    assert f">{mean}<" in posterior_html(post)


def test_call_can_be_typed_again(post):
    page = posterior_html(post)
    assert "pp.sample(&#39;Reaction ~ Days + (Days | Subject)&#39;, data" in page
    assert "seed=1" in page


def test_names_are_escaped():
    data = pp.load_dataset("pulp").rename(columns={"operator": "<b>o</b>"})
    formula = "bright ~ 1 + (1 | `<b>o</b>`)"
    with warnings.catch_warnings(action="ignore"):  # so few draws have not mixed
        post = pp.sample(formula, data, chains=1, warmup=100, draws=100, seed=1)
    page = posterior_html(post)
    assert "<b>" not in page
    assert "&lt;b&gt;o" in page


def test_file_is_written_whole_or_refused(post, tmp_path):
    post.report(tmp_path / "x.html")
    assert (tmp_path / "x.html").read_text("utf-8").startswith("<!DOCTYPE html>")
    with pytest.raises(ArgumentError, match="place of a file"):
        post.report(3)

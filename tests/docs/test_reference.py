"""The reference and the table for users of lme4 are complete; `make docs` runs what they show."""

import json
import re
import tomllib
from pathlib import Path

import partialpool as pp
from partialpool.figures.accessor import Plots
from partialpool.figures.posterior.accessor import PosteriorPlots

DOCS = Path(__file__).parents[2] / "docs"
REFERENCE = "\n".join(p.read_text("utf-8") for p in (DOCS / "reference").glob("*.rst"))
DOCUMENTED = set(re.findall(r"^\.\. auto(?:function|class|module):: ([\w.]+)$", REFERENCE, re.M))


def test_every_public_name_is_in_the_reference():
    public = {f"partialpool.{name}" for name in pp.__all__} - {"partialpool.__version__"}
    assert public - DOCUMENTED == set()


def test_every_figure_of_a_fit_and_of_a_posterior_is_in_the_reference():
    drawn = {name.split(".plot_")[-1] for name in DOCUMENTED if ".plot_" in name}
    methods = {*vars(Plots), *vars(PosteriorPlots)}
    assert {name for name in methods if not name.startswith("_")} - drawn == set()


def test_every_page_is_in_the_site():
    pages = {p.relative_to(DOCS).with_suffix("").as_posix() for p in DOCS.rglob("*.md")} | {
        p.relative_to(DOCS).with_suffix("").as_posix() for p in DOCS.rglob("*.rst")
    }
    pages = {page for page in pages if not page.startswith("_build")}
    listed = {"index"}
    for folder, page in (("", "index.md"), ("reference/", "reference/index.md")):
        trees = re.findall(r"```\{toctree\}\n(.*?)```", (DOCS / page).read_text("utf-8"), re.S)
        listed |= {folder + line for tree in trees for line in tree.split() if line[0] != ":"}
    assert pages <= listed


def test_table_for_users_of_lme4_covers_the_packages_that_it_names():
    with (DOCS / "lme4_calls.toml").open("rb") as file:
        sections = tomllib.load(file)["section"]
    titles = " ".join(section["title"] for section in sections)
    packages = {"lme4", "lmerTest", "pbkrtest", "RLRsim", "emmeans", "broom.mixed", "simr", "brms"}
    assert [name for name in packages if name not in titles] == []
    calls = [call for section in sections for call in section["calls"]]
    assert len(calls) >= 60
    # A call is shown as it is run, so it must be one line of Python.
    assert [c["ours"] for c in calls if "\n" in c["ours"]] == []
    for call in calls:
        compile(call["ours"], call["r"], "exec")


def test_theory_counts_the_exact_optima():
    with (DOCS.parent / "tests" / "reference" / "exact.json").open("rb") as file:
        assert len(json.load(file)) == 17
    assert "Seventeen optima" in (DOCS / "reference" / "theory.md").read_text("utf-8")


def test_nothing_is_in_the_reference_twice():
    found = re.findall(r"^\.\. auto(?:function|class|module):: ([\w.]+)$", REFERENCE, re.M)
    assert sorted(found) == sorted(set(found))

"""The page as text: what is on it, that names are escaped, and what cannot be shown is said."""

import pickle
import re
from datetime import date
from html.parser import HTMLParser
from importlib.resources import files

import numpy as np
import pandas as pd
import partialpool as pp
import polars as pl
import pytest
from partialpool.cli import main as cli
from partialpool.errors import ArgumentError, FileError
from partialpool.report.page import report_html

VOID = {"meta", "link", "img", "br", "hr"}
REFERENCES = ("src", "href", "srcset", "action", "data", "poster", "xlink:href")


class Page(HTMLParser):
    """Elements in order, the text, and whether tags are balanced."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.words = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", "".join(self.words))


def references(page):
    return [a[k] for _, a in page.elements for k in REFERENCES if k in a]


@pytest.mark.parametrize("which", ["sleep_page", "hostile_page"])
def test_page_is_well_formed_and_needs_nothing_beside_itself(which, request):
    text = request.getfixturevalue(which)
    page = Page(text)
    assert text.startswith("<!DOCTYPE html>")
    assert all(r.startswith(("#", "data:")) for r in references(page))
    assert not re.search(r"@import|url\(|<script|javascript:", text)
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)


@pytest.mark.parametrize("which", ["sleep_page", "hostile_page"])
def test_ids_are_unique_and_links_lead_to_them(which, request):
    page = Page(request.getfixturevalue(which))
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    targets = {r[1:] for r in references(page) if r.startswith("#")}
    assert {"model", "data", "estimates", "tests", "diagnostics", "made"} <= targets
    assert targets <= set(ids)


def test_hostile_names_are_shown_and_never_markup(hostile_page):
    page = Page(hostile_page)
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "b", "i"}
    assert all(a["src"].startswith("data:image/") for tag, a in page.elements if tag == "img")
    assert "<script>alert('x')</script>" in page.text
    assert "🐉 \"q\" & 'r'" in page.text
    assert "long" * 50 in page.text


def test_half_a_surrogate_pair_in_a_name_can_be_written(tmp_path, sleep):
    frame = pd.DataFrame({"y": np.arange(12.0) ** 1.5, "g": np.repeat(["a", "b", "c"], 4)})
    fit = pp.lmer("y ~ 1 + (1 | g)", frame)
    fit.data_name = "bad\ud83dname"
    fit.report(tmp_path / "page.html")
    assert "bad&#55357;name" in (tmp_path / "page.html").read_text("utf-8")


def test_page_has_the_numbers_of_the_summary(sleep, sleep_page):
    text = Page(sleep_page).text
    for shown in ("251.405", "6.825", "612.09", "3.26e-06", "1743.6", "36.838", "-0.138"):
        assert shown in str(sleep.summary())
        assert shown in text
    # By t with Satterthwaite's 17 degrees of freedom, as R's qt(.975, 17) gives it.
    row = re.search(r'scope="row">Days</th>(.*?)</tr>', sleep_page.split('id="estimates"')[1])
    assert row is not None
    low, high = (float(v) for v in re.findall(r"<td[^>]*>([^<]*)<", row[1])[2:4])
    slope, error = sleep.fixef["Days"], sleep.vcov.loc["Days", "Days"] ** 0.5
    assert low == pytest.approx(slope - 2.109816 * error, abs=6e-4)
    assert high == pytest.approx(slope + 2.109816 * error, abs=6e-4)
    for formatted in ("45.853", "42.837"):  # F of Days, LRT of the random slope
        assert formatted in text


def test_call_runs_again(sleep_page):
    call = re.search(r"<pre[^>]*><code>(.*?)</code>", sleep_page)
    assert call is not None
    assert call[1] == "pp.lmer(&#39;Reaction ~ Days + (Days | Subject)&#39;, sleepstudy)"
    for name in ("partialpool", "numpy", "scipy", "Python"):
        assert f"<dt>{name}</dt>" in sleep_page


def test_call_has_every_argument_that_was_chosen():
    cake = pp.load_dataset("cake")
    cake["w"] = 1.0 + np.arange(len(cake)) % 3
    fit = pp.lmer(
        "angle ~ recipe + (1 | replicate)",
        cake,
        reml=False,
        weights="w",
        offset=np.zeros(len(cake)),
        contrasts={"recipe": "sum"},
        na_action="error",
    )
    page = Page(report_html(fit))
    assert (
        "pp.lmer('angle ~ recipe + (1 | replicate)', cake, reml=False, weights='w',"
        " offset=<array, 270 values>, contrasts={'recipe': 'sum'}, na_action='error')"
    ) in page.text


def test_what_was_dropped_is_said():
    data = pp.load_dataset("sleepstudy").astype({"Days": float})
    data.loc[[3, 4], "Days"] = np.nan
    data.loc[4, "Reaction"] = np.nan
    data.loc[data["Subject"] == data["Subject"].iloc[-1], "Reaction"] = np.nan
    data["twice"] = 2 * data["Days"]
    fit = pp.lmer("Reaction ~ Days + twice + (1 | Subject)", pl.from_pandas(data))
    text = Page(report_html(fit)).text
    assert "168 of 180 rows used." in text
    assert "12 rows were dropped" in text
    assert "Reaction in 11 rows, Days in 2 rows and twice in 2 rows" in text
    assert "1 level of Subject had no complete row: 372." in text
    assert "1 column of the fixed part is a combination of earlier ones" in text


def test_a_fit_without_its_rows_still_has_a_page(tmp_path, sleep):
    sleep.save(tmp_path / "fit.zip")
    for fit in (pp.load(tmp_path / "fit.zip"), pickle.loads(pickle.dumps(sleep))):
        text = Page(report_html(fit)).text
        assert "251.405" in text
        assert "Not drawn: " in text


def test_singular_and_intercept_only_fits():
    fit = pp.lmer("Yield ~ 1 + (1 | Batch)", pp.load_dataset("dyestuff2"))
    text = Page(report_html(fit)).text
    assert "Read with care." in text
    assert "variance of Intercept | Batch is 0" in text
    assert "No test: there is no term but the intercept." in text


def test_asymptotic_intervals_are_normal(sleep):
    text = report_html(sleep, ddf="asymptotic")
    slope, error = sleep.fixef["Days"], sleep.vcov.loc["Days", "Days"] ** 0.5
    assert f"{slope - 1.959964 * error:.3f}" in text


@pytest.mark.parametrize("path", ["/no/such/folder/page.html", "."])
def test_a_page_that_cannot_be_written(sleep, path):
    with pytest.raises(FileError, match="cannot write the report"):
        sleep.report(path)


def test_bad_arguments_are_refused(sleep, tmp_path):
    with pytest.raises(ArgumentError, match="Path, not 3"):
        sleep.report(3)
    with pytest.raises(ArgumentError, match="ddf must be"):
        sleep.report(tmp_path / "page.html", ddf="bogus")


def test_same_fit_same_page(sleep):
    on = date(2026, 2, 28)
    page = report_html(sleep, made_on=on)
    assert report_html(sleep, made_on=on) == page
    assert "2026-02-28" in Page(page).text
    assert report_html(sleep, made_on=date(2026, 3, 1)) == page.replace("2026-02-28", "2026-03-01")


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"ddf": "x"}, "ddf must be one of"),
        ({"command": 5}, "command must be text, not 5"),
    ],
)
def test_options_that_are_refused(sleep, options, match):
    with pytest.raises(ArgumentError, match=match):
        report_html(sleep, **options)


def test_report_is_of_a_fit_of_lmer():
    model = pp.lm("Reaction ~ Days", pp.load_dataset("sleepstudy"))
    with pytest.raises(ArgumentError, match=r"the report is of a fit of lmer, not of LinearModel$"):
        report_html(model)


def test_package_data_are_reachable():
    folder = files("partialpool") / "report"
    assert "{{ formula }}" in (folder / "page.html.j2").read_text("utf-8")
    assert "@media print" in (folder / "style.css").read_text("utf-8")


def test_command_writes_the_page_with_its_own_call(tmp_path, capsys):
    out = tmp_path / "out.html"
    formula = "Reaction ~ Days + (Days | Subject)"
    with pytest.raises(SystemExit) as ended:
        cli.main(["fit", "sleepstudy", formula, "--ml", "--report", str(out)])
    assert not ended.value.code
    assert f"report written to {out}" in capsys.readouterr().out
    assert f"partialpool fit sleepstudy '{formula}' --ml" in Page(out.read_text("utf-8")).text


@pytest.fixture(scope="module")
def weighted():
    data = pp.load_dataset("sleepstudy")
    data["runs"] = 1 + np.arange(180) % 5
    data["base"] = np.linspace(200, 300, 180)
    return pp.lmer(
        "Reaction ~ Days + (1 | Subject)", data, weights="runs", offset="base", reml=False
    )


def test_weights_and_offset_stand_in_equations_symbols_and_data(weighted):
    page = Page(report_html(weighted))
    assert "prior weight" in page.text
    assert "offset: known, not estimated" in page.text
    cells = re.sub(r"\s+", " ", page.text)
    assert "runsweights3.000" in cells
    assert "baseoffset250.0" in cells


def test_random_effects_of_every_grouping_factor_are_drawn():
    data = pp.load_dataset("penicillin_assay")
    page = Page(report_html(pp.lmer("diameter ~ 1 + (1 | plate) + (1 | sample)", data)))
    ids = [a["id"] for tag, a in page.elements if tag == "figure"]
    assert ids[-2:] == ["figure-caterpillar-1", "figure-caterpillar-2"]
    assert "Random effects by level of sample" in page.text
    assert "Of 6 levels of sample" in page.text


def test_only_long_names_are_broken_inside_a_word(sleep_page, hostile_page):
    assert "pp-long" not in sleep_page.split("</style>")[1]
    assert 'class="pp-name pp-long"' in hostile_page

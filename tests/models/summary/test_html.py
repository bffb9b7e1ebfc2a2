"""The HTML summary: names are escaped, colours are the page's, numbers those of the text."""

import re
from html.parser import HTMLParser

import pytest

VOID = {"br", "hr", "img", "meta"}


class Balanced(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.seen = [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def hostile(summary_of):
    bad = "<script>alert('x')</script>"
    return summary_of(
        "sleep_slope",
        title=bad,
        formula=bad,
        data_name=bad,
        weights=bad,
        terms=("Intercept", bad),
        ngroups={bad: 18},
        notes=(bad,),
    )


def test_names_are_escaped(hostile):
    html = hostile._repr_html_()
    assert "<script" not in html
    assert "alert(&#39;x&#39;)" in html


def test_html_is_well_formed(hostile, summary_of):
    for summary in (hostile, summary_of("irrigation"), summary_of("cake"), summary_of("insteval")):
        parser = Balanced()
        parser.feed(summary._repr_html_())
        assert parser.open == []
        assert parser.seen.count("table") in (2, 3)


def test_numbers_are_those_of_the_text(summary_of):
    summary = summary_of("sleep_slope")
    text = str(summary)
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", summary._repr_html_())
    assert {"251.405", "&lt; 2e-16", "3.26e-06", "***", "612.10", "0.07"} <= set(cells)
    assert all(cell.replace("&lt;", "<").strip() in text for cell in cells)
    assert "(Intercept)" in summary._repr_html_()


def test_colours_are_those_of_the_page(summary_of):
    style = re.search(r"<style>(.*?)</style>", summary_of("cake")._repr_html_(), re.DOTALL)
    assert style is not None
    assert not re.search(r"#[0-9a-fA-F]{3,8}\b|rgb|black|white(?!-space)", style[1])
    rules = re.findall(r"([^{}]+)\{", style[1])
    assert all(
        part.strip().startswith(".partialpool-summary") for r in rules for part in r.split(",")
    )


def test_notes_and_dropped_rows_are_said(summary_of):
    html = summary_of("cake", dropped=3, notes=("A note.",))._repr_html_()
    assert "3 rows with missing values dropped" in html
    assert "A note." in html
    assert "p = 18 &gt; 12" in html

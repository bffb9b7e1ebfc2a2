"""The page in a real browser: nothing is asked of the network, nothing fails, all of it is seen."""

import importlib.util
import sys
from pathlib import Path

import pytest


def _browser_module():
    """The file beside this one (tests are imported without packages)."""
    spec = importlib.util.spec_from_file_location(
        "partialpool_browser", Path(__file__).with_name("browser.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


devtools = _browser_module()
PROGRAM = devtools.find_browser()
pytestmark = pytest.mark.skipif(
    PROGRAM is None,
    reason=f"no Chromium on the path ({', '.join(devtools.NAMES)}): the report page was not"
    " opened in a browser; install Debian's chromium to test it",
)
WIDTHS = [1200, 390]


@pytest.fixture(scope="module")
def browser():
    running = devtools.Browser(PROGRAM)
    yield running
    running.close()


@pytest.fixture(scope="module")
def files(sleep_page, hostile_page, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    out = {"sleep": folder / "sleep.html", "hostile": folder / "hostile.html"}
    out["sleep"].write_text(sleep_page, "utf-8")
    out["hostile"].write_text(hostile_page, "utf-8")
    return out


@pytest.mark.parametrize("name", ["sleep", "hostile"])
@pytest.mark.parametrize("width", WIDTHS)
def test_page_loads_alone_and_fits_the_screen(browser, files, name, width):
    browser.open(files[name], width=width)
    pictures = browser.evaluate(
        "[...document.images].map(i => [i.complete, i.naturalWidth, i.clientWidth, i.alt.length])"
    )
    assert pictures
    assert all(
        complete and natural > 0 and seen > 200 and alt for complete, natural, seen, alt in pictures
    )
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.complaints() == []
    elsewhere = [r for r in browser.requests() if not r.startswith(("file:", "data:"))]
    assert elsewhere == []
    assert [r for r in browser.requests() if r.startswith("file:")] == [files[name].as_uri()]


def test_equations_are_drawn(browser, files):
    browser.open(files["sleep"])
    sizes = browser.evaluate(
        "[...document.querySelectorAll('math')].map(m => m.getBoundingClientRect().height)"
    )
    assert len(sizes) > 10
    assert min(sizes) > 5
    # The covariance matrix has two rows, one above the other.
    tall = "document.querySelector('mtable').getBoundingClientRect().height"
    assert browser.evaluate(tall) > 1.5 * min(sizes)


def test_dark_and_light_follow_the_reader(browser, files):
    def colours():
        names = ("backgroundColor", "color")
        return [browser.evaluate(f"getComputedStyle(document.body).{n}") for n in names]

    def brightness(colour):
        return sum(int(v) for v in colour.removeprefix("rgb(").rstrip(")").split(", "))

    seen = {}
    for dark in (False, True):
        browser.open(files["sleep"], dark=dark)
        paper, ink = map(brightness, colours())
        seen[dark] = paper > ink
    assert seen == {False: True, True: False}


def test_everything_that_scrolls_is_reached_by_the_keyboard(browser, files):
    browser.open(files["sleep"], width=390)
    scrolls = browser.evaluate(
        "[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth)"
        ".every(e => e.tabIndex === 0 && (e.ariaLabel || '').length > 0)"
    )
    assert scrolls
    stops = []
    for _ in range(4):
        browser.tab()
        stops.append(browser.evaluate("document.activeElement.getAttribute('href')"))
    assert stops == ["#estimates", "#model", "#data", "#estimates"]


def test_page_prints(browser, files):
    browser.open(files["sleep"], dark=True)
    pdf = browser.printed()
    assert pdf.startswith(b"%PDF")
    assert 1 <= pdf.count(b"/Type /Page\n") <= 8

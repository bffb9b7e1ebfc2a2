"""Fits that several figures are drawn of."""

import numpy as np
import pandas as pd
import partialpool as pp
import pytest


@pytest.fixture(scope="session")
def sleep():
    return pp.lmer("Reaction ~ Days + (Days | Subject)", pp.load_dataset("sleepstudy"))


@pytest.fixture(scope="session")
def pulp():
    return pp.lmer("bright ~ 1 + (1 | operator)", pp.load_dataset("pulp"))


@pytest.fixture(scope="session")
def irrigation():
    return pp.lmer("yield ~ irrigation * variety + (1 | field)", pp.load_dataset("irrigation"))


@pytest.fixture(scope="session")
def many():
    """12,000 rows in 700 groups: more of both than a figure can show one by one."""
    rng = np.random.default_rng(5)
    n, groups = 12_000, 700
    g = rng.integers(0, groups, n)
    x = rng.normal(size=n)
    b = rng.normal(size=(groups, 2)) @ [[2.0, 0.0], [0.5, 1.0]]
    t = np.where(rng.random(n) < 0.5, "ctl", "trt")
    y = 3 + 0.5 * x + (t == "trt") + b[g, 0] + b[g, 1] * x + rng.normal(size=n)
    return pp.lmer("y ~ x + t + (x | g)", pd.DataFrame({"y": y, "x": x, "t": t, "g": g}))


@pytest.fixture(scope="session")
def odd_names():
    """Names that matplotlib would read as mathematics."""
    rng = np.random.default_rng(6)
    g = np.arange(60) % 6
    x = rng.normal(size=60)
    y = x + rng.normal(size=6)[g] + 0.3 * rng.normal(size=60)
    levels = [f"$x_{i}$ {{" for i in g]
    return pp.lmer("y ~ x + t + (x | g)", {"y": y, "x": x, "t": ["a", "$b^"] * 30, "g": levels})


def visible_text(figure):
    """Everything written on a figure, line breaks as blanks."""
    from matplotlib.text import Text

    texts = [t for t in figure.findobj(Text) if t.get_visible()]
    return " | ".join(t.get_text().replace("\n", " ") for t in texts if t.get_text())


@pytest.fixture(scope="session")
def written():
    return visible_text


def check_no_overlap(figure):
    """Titles, axis labels, legends and names inside the page and clear of each other."""
    figure.draw_without_rendering()
    boxes = []
    for ax in figure.axes:
        if ax.get_visible():
            texts = [ax.title, ax.xaxis.label, ax.yaxis.label, *ax.texts]
            boxes += [t.get_window_extent() for t in texts if t.get_text() and t.get_visible()]
    texts = [figure._suptitle, figure._supxlabel, figure._supylabel]
    boxes += [t.get_window_extent() for t in texts if t is not None]
    boxes += [legend.get_window_extent() for legend in figure.legends]
    page = figure.bbox
    for i, box in enumerate(boxes):
        assert page.x0 - 1 <= box.x0 <= box.x1 <= page.x1 + 1
        assert page.y0 - 1 <= box.y0 <= box.y1 <= page.y1 + 1
        assert not any(box.overlaps(other) for other in boxes[i + 1 :])


@pytest.fixture(scope="session")
def no_overlap():
    return check_no_overlap

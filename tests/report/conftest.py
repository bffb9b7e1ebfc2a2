"""Fits and pages that the tests of the report share."""

import numpy as np
import pandas as pd
import partialpool as pp
import pytest
from partialpool.report.page import report_html

#: A level, or part of a column's name, that would run if it were not escaped.
HOSTILE = "<script>alert('x')</script>"
LONG = "long" * 50
EMOJI = "🐉 \"q\" & 'r'"


@pytest.fixture(scope="session")
def sleep():
    sleepstudy = pp.load_dataset("sleepstudy")
    return pp.lmer("Reaction ~ Days + (Days | Subject)", sleepstudy)


@pytest.fixture(scope="session")
def hostile():
    """Column names, levels and the data's name as an enemy would choose them."""
    rng = np.random.default_rng(7)
    group = np.arange(120) % 12
    x = rng.normal(size=120)
    levels = [HOSTILE, EMOJI, LONG, "\u202egnp", *(f"g{i}" for i in range(8))]
    kinds = np.array([f"<img src=x onerror={HOSTILE}>", "b"])[rng.integers(0, 2, 120)]
    y = 1 + x + rng.normal(size=12)[group] + 0.4 * rng.normal(size=120)
    frame = pd.DataFrame(
        {
            f"y{HOSTILE}": y,
            f"x{EMOJI}": x,
            LONG: rng.normal(size=120),
            "<b>kind": kinds,
            "<i>g": [levels[i] for i in group],
        }
    )
    fit = pp.lmer(f"`y{HOSTILE}` ~ `x{EMOJI}` + `{LONG}` + `<b>kind` + (1 | `<i>g`)", frame)
    fit.data_name = HOSTILE
    return fit


@pytest.fixture(scope="session")
def sleep_page(sleep):
    return report_html(sleep)


@pytest.fixture(scope="session")
def hostile_page(hostile):
    return report_html(hostile)

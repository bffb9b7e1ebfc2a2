"""NIST's one-way sets against exact rational arithmetic on the stored doubles.

For balanced one-way data REML gives σ² = MSE and τ² = (MSB - MSE)/n exactly (where that is not
negative), with n rows a group.
"""

import math
import re
from fractions import Fraction
from pathlib import Path

import pandas as pd
import partialpool as pp
import pytest

from tests.references import REFERENCE

NIST = sorted((REFERENCE / "nist").glob("*.dat"))
DIGITS = 9


def read_nist(path: Path) -> pd.DataFrame:
    """The data section, whose first line the header states."""
    lines = path.read_text().splitlines()
    found = re.search(r"Data\s+\(lines (\d+) to (\d+)\)", "\n".join(lines))
    assert found is not None
    first, last = int(found[1]), int(found[2])
    rows = [line.split() for line in lines[first - 1 : last]]
    return pd.DataFrame({"g": [int(g) for g, _ in rows], "y": [float(y) for _, y in rows]})


def certified_mean_squares(path: Path) -> tuple[float, float]:
    """NIST's between and within mean squares."""
    text = path.read_text()
    return tuple(
        float(re.search(rf"^{which} .*?(\S+E[+-]\d+)\s+(\S+E[+-]\d+)", text, re.M)[2])
        for which in ("Between", "Within")
    )


def exact_mean_squares(data: pd.DataFrame) -> tuple[Fraction, Fraction, int]:
    """MSB, MSE and rows a group, in rational arithmetic on the doubles."""
    groups = [[Fraction(v) for v in part.tolist()] for _, part in data.groupby("g")["y"]]
    sizes = {len(group) for group in groups}
    assert len(sizes) == 1
    n = sizes.pop()
    means = [sum(group) / n for group in groups]
    grand = sum(means) / len(means)
    between = n * sum((m - grand) ** 2 for m in means) / (len(means) - 1)
    within = sum((v - m) ** 2 for g, m in zip(groups, means, strict=True) for v in g)
    return between, within / (len(groups) * (n - 1)), n


def digits(ours: float, exact: Fraction) -> float:
    """Significant digits that agree."""
    off = abs(Fraction(ours) - exact) / abs(exact)
    return 16.0 if off == 0 else -math.log10(off)


@pytest.mark.parametrize("path", NIST, ids=[p.stem for p in NIST])
def test_reml_variances_are_the_mean_squares(path: Path) -> None:
    data = read_nist(path)
    between, within, n = exact_mean_squares(data)
    assert between > within
    fit = pp.lmer("y ~ 1 + (1 | g)", data)
    residual, group = fit.sigma**2, float(fit.varcorr["vcov"].iloc[0])
    tau = (between - within) / n
    shown = [
        f"σ²: ours {residual!r}, exact {float(within)!r}, {digits(residual, within):.1f} digits",
        f"τ²: ours {group!r}, exact {float(tau)!r}, {digits(group, tau):.1f} digits",
    ]
    assert min(digits(residual, within), digits(group, tau)) >= DIGITS, "\n".join(shown)


@pytest.mark.parametrize("path", NIST, ids=[p.stem for p in NIST])
def test_file_is_read_as_nist_read_it(path: Path) -> None:
    between, within, _ = exact_mean_squares(read_nist(path))
    # The doubles nearest to decimals near 10¹² carry some four certified digits.
    for ours, certified in zip((between, within), certified_mean_squares(path), strict=True):
        assert float(ours) == pytest.approx(certified, rel=1e-3)


def test_all_eleven_sets_are_there() -> None:
    assert len(NIST) == 11


def test_mean_and_its_error_keep_their_digits(nist: Path) -> None:
    data = read_nist(nist / "SmLs09.dat")
    between, _, n = exact_mean_squares(data)
    fit = pp.lmer("y ~ 1 + (1 | g)", data)
    grand = sum(Fraction(v) for v in data["y"].tolist()) / len(data)
    assert digits(float(fit.beta[0]), grand) >= 15
    assert digits(float(fit.covariance[0, 0]), between / len(data)) >= DIGITS
    assert n * data["g"].nunique() == len(data)

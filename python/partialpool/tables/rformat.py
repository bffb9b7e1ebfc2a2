"""Numbers, and tables of numbers, as R prints them.

The one place of the library that turns a p-value into text. The rules are those of R 4.2's
``format``, ``format.pval`` and ``printCoefmat``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from partialpool.tables.layout import matrix_lines, short_labels

MACHINE_EPS = 2.0**-52
LEGEND = "0 ‘***’ 0.001 ‘**’ 0.01 ‘*’ 0.05 ‘.’ 0.1 ‘ ’ 1"


# ---- single numbers ------------------------------------------------------------------------


def round_digits(x: float, digits: int) -> float:
    """Round to `digits` decimals; what is not finite stays as it is."""
    return round(x, digits) if math.isfinite(x) else x


def zapsmall(values: Iterable[float], digits: int) -> list[float]:
    """R's ``zapsmall``: round all to the decimals that give the largest `digits` digits."""
    vals = [float(v) for v in values]
    largest = max((abs(v) for v in vals if not math.isnan(v)), default=0.0)
    if not math.isfinite(largest):
        return vals
    decimals = math.floor(max(0, digits - math.log10(largest)) + 0.5) if largest > 0 else digits
    return [round_digits(v, decimals) for v in vals]


def _significant(x: float, digits: int) -> tuple[int, int, bool]:
    """Exponent, digits needed (≤ `digits`), and whether rounding carried into a new power."""
    if x == 0:
        return 0, 1, False
    mantissa, exponent = f"{abs(x):.{digits - 1}e}".split("e")
    power = int(exponent)
    needed = len(mantissa.replace(".", "").rstrip("0")) or 1
    if power <= 0:
        return power, needed, False
    # 9996 to three digits is 1e+04, but in fixed notation still the four characters 9996
    half_unit = 0.5 / 10.0 ** max(0, digits - power)
    return power, needed, abs(x) < float(f"1e{power}") - half_unit


def format_column(
    values: Iterable[float], digits: int = 7, *, nsmall: int = 0, na: str = "NA"
) -> list[str]:
    """Format numbers together, as R's ``format(values, digits=, nsmall=)``.

    Parameters
    ----------
    values : iterable of float
        The numbers, of any shape that iterates over floats.
    digits : int
        The element that needs most of them is shown with this many significant digits at
        most; trailing zeros common to all are dropped.
    nsmall : int
        Least number of decimals in fixed notation.
    na : str
        The text of a NaN.

    Returns
    -------
    list of str
        Texts of one width, with one number of decimals, all fixed or all scientific:
        fixed unless that is wider.
    """
    vals = [float(v) for v in values]
    finite = [v for v in vals if math.isfinite(v)]
    if finite:
        encode, width = _common_format(finite, digits, nsmall)
    else:
        encode, width = str, 0
    texts = [_encode(v, encode, na) for v in vals]
    width = max((width, *(len(t) for t in texts)))
    return [t.rjust(width) for t in texts]


def _common_format(
    finite: Sequence[float], digits: int, nsmall: int
) -> tuple[Callable[[float], str], int]:
    """Choose fixed or scientific for all of `finite`, as formatReal() in R's format.c.

    The second value is R's width, which may be a blank more than the texts need.
    """
    parts = [_significant(v, digits) for v in finite]
    negative = any(v < 0 for v in finite)
    decimals = max(0, max(needed - power - 1 for power, needed, _ in parts))
    left = max(
        (v < 0) + max(1, power + 1 - widened)
        for v, (power, _, widened) in zip(finite, parts, strict=True)
    )
    fixed_width = left + decimals + (decimals > 0)
    mantissa = max(needed for _, needed, _ in parts) - 1
    powers = [power for power, _, _ in parts]
    exponent_width = 2 if max(powers) >= 100 or min(powers) <= -100 else 1
    scientific_width = negative + (mantissa > 0) + mantissa + 4 + exponent_width
    if fixed_width <= scientific_width:
        shown = max(decimals, nsmall)
        return (lambda v: f"{v:.{shown}f}"), left + shown + (shown > 0)
    return (lambda v: f"{v:.{mantissa}e}"), scientific_width


def _encode(v: float, encode: Callable[[float], str], na: str) -> str:
    if math.isnan(v):
        return na
    if math.isinf(v):
        return "Inf" if v > 0 else "-Inf"
    return encode(v if v != 0 else 0.0)  # no sign on a zero


# ---- p-values ------------------------------------------------------------------------------


def format_pvalues(
    p: Iterable[float], digits: int = 3, *, eps: float = MACHINE_EPS, na: str = "NA"
) -> list[str]:
    """Format p-values together, as R's ``format.pval``: below `eps` they read ``< 2e-16``.

    Parameters
    ----------
    p : iterable of float
        p-values; NaN is shown as `na`.
    digits : int
        Significant digits.
    eps : float
        Values below are shown as smaller than this.
    na : str
        The text of a NaN.

    Returns
    -------
    list of str
    """
    values = [float(v) for v in p]
    out = [na] * len(values)
    shown = [i for i, v in enumerate(values) if not math.isnan(v) and v >= eps]
    tiny = [i for i, v in enumerate(values) if v < eps]

    def is_fixed(v: float) -> bool:
        power = math.floor(math.log10(v if v > 0 else 1e-50))
        return power >= -3 or (power == -4 and digits > 1)

    for kind in (True, False):
        rows = [i for i in shown if is_fixed(values[i]) is kind]
        for i, text in zip(rows, format_column([values[i] for i in rows], digits), strict=True):
            out[i] = text
    if tiny:
        eps_digits = max(1, digits - 2)
        space = "" if eps_digits == 1 else " "
        if shown:
            width = max(len(out[i]) for i in shown)
            if eps_digits > 1 and eps_digits + 6 > width:
                eps_digits = max(1, width - 7)
            space = "" if eps_digits == 1 and width <= 6 else " "
        text = "<" + space + format_column([eps], eps_digits)[0]
        for i in tiny:
            out[i] = text
    return out


def format_pvalue(p: float, digits: int = 3, *, eps: float = MACHINE_EPS, na: str = "NA") -> str:
    """Format one p-value, as R's ``format.pval``: ``<2e-16`` below machine precision."""
    return format_pvalues([p], digits, eps=eps, na=na)[0]


def significance_stars(p: float) -> str:
    """R's code of a p-value: ``***`` to 0.001, ``**`` to 0.01, ``*`` to 0.05, ``.`` to 0.1."""
    if math.isnan(p):
        return ""
    for limit, symbol in ((0.001, "***"), (0.01, "**"), (0.05, "*"), (0.1, ".")):
        if p <= limit:
            return symbol
    return " "


# ---- tables of coefficients and of tests ---------------------------------------------------


@dataclass(frozen=True, slots=True)
class CellTable:
    """A table in text: what is printed, or laid out in HTML.

    Attributes
    ----------
    row_names, header : tuple of str
    columns : tuple of tuple of str
        One tuple per column, in the order of `header`.
    legend : str or None
        Meaning of the stars, where they are shown (their column has the header ``""``).
    """

    row_names: tuple[str, ...]
    header: tuple[str, ...]
    columns: tuple[tuple[str, ...], ...]
    legend: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "row_names", tuple(short_labels(self.row_names)))

    def lines(self) -> list[str]:
        """The table, right-aligned, as R prints a coefficient table, with its legend."""
        out = matrix_lines(self.row_names, self.header, self.columns, right=True, width=None)
        return [*out, "---", f"Signif. codes:  {self.legend}"] if self.legend else out


def coefficient_table(
    row_names: Sequence[str],
    columns: Mapping[str, Iterable[float]],
    *,
    joint: Sequence[str],
    tests: Sequence[str],
    p_value: str | None = None,
    zap: Sequence[str] = (),
    digits: int = 4,
    eps: float = MACHINE_EPS,
    na: str = "NA",
    stars: bool = True,
) -> CellTable:
    """Format a table of estimates or tests, as R's ``printCoefmat``.

    Parameters
    ----------
    row_names : sequence of str
        Names of the rows.
    columns : mapping of str to iterable of float
        Header and numbers, in printed order.
    joint : sequence of str
        Columns formatted together (``cs.ind``): estimates, standard errors, and for lmerTest
        the degrees of freedom.
    tests : sequence of str
        Columns of test statistics (``tst.ind``), rounded to ``digits - 1`` decimals.
    p_value : str, optional
        The column of p-values.
    zap : sequence of str
        Columns passed through `zapsmall` first.
    digits : int
        Significant digits asked for.
    eps : float
        p-values below are shown as smaller than this.
    na : str
        Text of what is missing; R's tables of tests use ``""``.
    stars : bool
        Add the column of stars when a p-value is below 0.1.

    Returns
    -------
    CellTable

    Notes
    -----
    R's ``print.anova`` is this function with ``joint=()``, ``na=""`` and `zap` all columns but
    tests, p-values and those whose name ends in ``Df``.
    """
    data = {name: [float(v) for v in values] for name, values in columns.items()}
    for name in zap:
        data[name] = zapsmall(data[name], digits)
    test_decimals = max(1, min(5, digits - 1))
    cells: dict[str, list[str]] = dict(zip(joint, _format_joint(data, joint, digits), strict=True))
    if tests:
        # as in R, the statistics share one format
        flat = [round_digits(v, test_decimals) for name in tests for v in data[name]]
        texts = format_column(flat, digits)
        n = len(row_names)
        for k, name in enumerate(tests):
            cells[name] = texts[k * n : (k + 1) * n]
    for name in data:
        if name not in cells and name != p_value:
            cells[name] = format_column(data[name], digits)
    _show_nonzero(data, cells, [c for c in data if c not in tests and c != p_value], digits)
    for name, texts in cells.items():
        cells[name] = [na if math.isnan(v) else t for v, t in zip(data[name], texts, strict=True)]
    header, legend = list(data), None
    if p_value is not None:
        p = data[p_value]
        cells[p_value] = format_pvalues(p, test_decimals, eps=eps, na=na)
        if stars and any(v < 0.1 for v in p):
            header.append("")
            cells[""] = [significance_stars(v).ljust(3) for v in p]
            legend = LEGEND
    return CellTable(
        tuple(row_names), tuple(header), tuple(tuple(cells[c]) for c in header), legend
    )


def _format_joint(
    data: Mapping[str, Sequence[float]], joint: Sequence[str], digits: int
) -> list[list[str]]:
    """Columns in one format, with the decimals that the largest and smallest entries need."""
    flat = [v for name in joint for v in data[name]]
    sizes = [abs(v) for v in flat if math.isfinite(v) and v != 0]
    leading = [1 + math.floor(math.log10(f(sizes))) for f in (min, max)] if sizes else [1]
    decimals = max(1, *(digits - d for d in leading))
    texts = format_column([round_digits(v, decimals) for v in flat], digits)
    n = len(flat) // len(joint) if joint else 0
    return [texts[k * n : (k + 1) * n] for k in range(len(joint))]


def _show_nonzero(
    data: Mapping[str, Sequence[float]],
    cells: dict[str, list[str]],
    names: Sequence[str],
    digits: int,
) -> None:
    """Reformat, with a digit less, numbers that are not zero but would be shown as zero."""
    lost = [
        (name, i)
        for name in names
        for i, v in enumerate(data[name])
        if math.isfinite(v) and (v == 0) != (float(cells[name][i]) == 0)
    ]
    texts = format_column([data[name][i] for name, i in lost], max(1, digits - 1))
    for (name, i), text in zip(lost, texts, strict=True):
        cells[name][i] = text

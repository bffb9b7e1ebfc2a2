"""Marginal means, contrasts and joint tests in text, in the layout of R's emmeans."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from partialpool.inference.means.marginal_means import level_text
from partialpool.tables.layout import matrix_lines, pad
from partialpool.tables.rformat import format_column, round_digits, zapsmall

if TYPE_CHECKING:
    from partialpool.inference.means.joint import JointTests
    from partialpool.inference.means.marginal_means import MarginalMeans

#: Fewest significant digits of an estimate.
FEWEST_DIGITS = 3


def means_cells(means: MarginalMeans) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Texts of the labels and of the numbers, by column."""
    normal = all(math.isinf(v) for v in means.df if not math.isnan(v))
    numbers: dict[str, Sequence[float]] = {
        means.name: means.estimate.tolist(),
        "SE": means.std_error.tolist(),
        "df": [round_digits(v, 2) for v in zapsmall(means.df, 7)],
    }
    if means.show_interval:
        low, high = ("asymp.LCL", "asymp.UCL") if normal else ("lower.CL", "upper.CL")
        numbers[low] = (means.estimate - means.half_width).tolist()
        numbers[high] = (means.estimate + means.half_width).tolist()
    digits = estimate_digits(means.estimate.tolist(), means.std_error.tolist())
    cells = {n: format_column(zapsmall(v, 7), digits) for n, v in numbers.items()}
    unknown = [i for i, v in enumerate(means.estimate) if math.isnan(v)]
    for i in unknown:
        cells[means.name][i] = "nonEst"
    if means.show_test:
        ratio = [round_digits(v, 3) for v in means.statistic]
        cells["z.ratio" if normal else "t.ratio"] = [fixed(v, 3) for v in ratio]
        cells["p.value"] = p_values(means.p_value.tolist())
    return {n: label_cells(v, digits) for n, v in means.labels.items()}, cells


def family_name(means: MarginalMeans, labels: dict[str, list[str]], row: int) -> str:
    """The combination of the `by` columns that a row belongs to."""
    return ", ".join(f"{n} = {labels[n][row].strip()}" for n in means.by)


def means_text(means: MarginalMeans) -> str:
    """The table, one block for each combination of the `by` columns, and what it rests on."""
    labels, cells = means_cells(means)
    shown = [n for n in labels if n not in means.by]
    lines: list[str] = []
    for rows in means.families():
        if means.by:
            lines.append(f"{family_name(means, labels, rows[0])}:")
        left = [n for n in shown if not numeric_labels(means.labels[n])]
        lines += _block({**{n: labels[n] for n in shown}, **cells}, rows.tolist(), left)
        lines.append("")
    return "\n".join([*lines, *means_messages(means)])


def _block(cells: dict[str, list[str]], rows: Sequence[int], left: Sequence[str]) -> list[str]:
    header, columns = [], []
    for name, texts in cells.items():
        if name in left:
            width = max(len(t) for t in (name, *texts))
            header.append(pad(name, width, right=False))
            columns.append([pad(texts[i], width, right=False) for i in rows])
        else:
            header.append(name)
            columns.append([texts[i] for i in rows])
    return matrix_lines([""] * len(rows), header, columns, right=True, width=None)


def means_messages(means: MarginalMeans) -> list[str]:
    out: list[str] = []
    if means.averaged:
        out.append(f"Results are averaged over the levels of: {', '.join(means.averaged)}")
    out.append(f"Degrees-of-freedom method: {means.part.method}")
    out += [n for n in means.notes if not n.startswith("NOTE")]
    if means.show_interval:
        out.append(f"Confidence level used: {means.level:.7g}")
    used, m = means.used_adjust, len(means.families()[0])
    if used != "none" and m > 1:
        family = (
            f"comparing a family of {means.family} estimates"
            if used == "tukey"
            else f"{m} {'tests' if means.show_test else 'estimates'}"
        )
        if means.show_test:
            out.append(f"P value adjustment: {used} method for {family}")
        if means.show_interval:
            name = "bonferroni" if used == "holm" else used
            out.append(f"Conf-level adjustment: {name} method for {family}")
    return out + [n for n in means.notes if n.startswith("NOTE")]


def estimate_digits(estimate: Sequence[float], std_error: Sequence[float]) -> int:
    """Significant digits that show each estimate's interval of ±2 standard errors."""
    best = FEWEST_DIGITS
    for e, s in zip(estimate, std_error, strict=True):
        if math.isnan(e) or math.isnan(s):
            continue
        low, high = e - 2 * s, e + 2 * s
        largest = max(abs(low), abs(high))
        if largest == 0:
            continue
        spread = (high - low) / largest
        if spread > 0:
            best = max(best, round(1.51 - math.log10(spread)))
    return best


def numeric_labels(values: Sequence[Any]) -> bool:
    """Whether a column of labels holds numbers, which stand to the right."""
    return all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)


def label_cells(values: Sequence[Any], digits: int) -> list[str]:
    """Texts of a column of labels."""
    if all(isinstance(v, float) for v in values):
        return format_column(zapsmall(values, 7), digits)
    return [level_text(v) for v in values]


def fixed(value: float, decimals: int) -> str:
    """A number with so many decimals; "NA" where there is none."""
    return "NA" if math.isnan(value) else f"{round(value, decimals) + 0.0:.{decimals}f}"


def p_values(p: Sequence[float]) -> list[str]:
    """To four decimals, "<.0001" below."""
    out = ["NA" if math.isnan(v) else f"{v:.4f}" for v in p]
    return ["<.0001" if t == "0.0000" else t for t in out]


def joint_tests_cells(tests: JointTests) -> dict[str, list[str]]:
    """Texts by column."""
    ddf = [round_digits(v, 2) for v in tests.ddf]
    return {
        "model term": list(tests.term),
        "df1": format_column(tests.ndf.tolist(), 7),
        "df2": format_column(ddf, 7),
        "F.ratio": [fixed(v, 3) for v in tests.statistic],
        "p.value": p_values(tests.p_value.tolist()),
    }


def joint_tests_families(tests: JointTests) -> dict[str, list[int]]:
    """Rows of each combination of the `by` variables, which "" names where there are none."""
    keys = list(zip(*tests.by.values(), strict=True)) if tests.by else [()] * len(tests.term)
    out: dict[tuple[Any, ...], list[int]] = {}
    for i, key in enumerate(keys):
        out.setdefault(key, []).append(i)
    return {
        ", ".join(f"{n} = {level_text(v)}" for n, v in zip(tests.by, key, strict=True)): rows
        for key, rows in out.items()
    }


def joint_tests_text(tests: JointTests) -> str:
    """The table of F tests."""
    cells = joint_tests_cells(tests)
    lines: list[str] = []
    for name, rows in joint_tests_families(tests).items():
        lines += [f"{name}:"] if name else []
        lines += [*_block(cells, rows, ["model term"]), ""]
    return "\n".join([*lines, f"Degrees-of-freedom method: {tests.method}", *tests.notes])

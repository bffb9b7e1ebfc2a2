"""Numbers that describe draws, and the text of a posterior."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from partialpool.bayes.estimators import array_stats
from partialpool.design.frame import to_native
from partialpool.tables.html import tables_html
from partialpool.tables.rformat import CellTable

if TYPE_CHECKING:
    from partialpool.bayes.posterior import Posterior

Vector = NDArray[np.float64]
#: Makes the median absolute deviation of a normal variable its standard deviation.
MAD_SCALE = 1.4826
COLUMNS = ("mean", "median", "sd", "mad", "q5", "q95", "rhat", "ess_bulk", "ess_tail")
#: ArviZ's estimators need some draws of each half of a chain.
FEWEST_DRAWS = 4


def location_and_spread(draws: Vector) -> dict[str, float]:
    """Mean, median, sd, mad and the 5% and 95% quantiles of draws of any shape."""
    flat = np.ravel(draws)
    median = float(np.median(flat))
    low, high = np.quantile(flat, [0.05, 0.95]).tolist()
    return {
        "mean": float(np.mean(flat)),
        "median": median,
        "sd": float(np.std(flat, ddof=1)) if flat.size > 1 else float("nan"),
        "mad": MAD_SCALE * float(np.median(np.abs(flat - median))),
        "q5": low,
        "q95": high,
    }


def mixing(draws: Vector) -> dict[str, float]:
    """R-hat, bulk and tail effective sample sizes of draws (chains, draws), by ArviZ.

    References
    ----------
    Vehtari, Gelman, Simpson, Carpenter & Bürkner (2021), Bayesian Analysis 16.
    """
    if draws.shape[1] < FEWEST_DRAWS:
        return dict.fromkeys(("rhat", "ess_bulk", "ess_tail"), float("nan"))
    estimators = array_stats()
    axes = {"chain_axis": 0, "draw_axis": 1}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a constant parameter: its numbers are NaN
        return {
            "rhat": float(estimators.rhat(draws, method="rank", **axes)),
            "ess_bulk": float(estimators.ess(draws, method="bulk", **axes)),
            "ess_tail": float(estimators.ess(draws, method="tail", prob=(0.05, 0.95), **axes)),
        }


def rows(post: Posterior) -> dict[str, list[Any]]:
    """The summary's columns."""
    out: dict[str, list[Any]] = {"variable": list(post.variables)}
    for name in post.variables:
        draws = np.ascontiguousarray(post.draws(name))
        for column, value in {**location_and_spread(draws), **mixing(draws)}.items():
            out.setdefault(column, []).append(value)
    return out


def summary(post: Posterior) -> Any:
    """See `Posterior.summary`."""
    return to_native(rows(post), post.fit.design.kind)


def text(post: Posterior) -> str:
    """Formula, table, priors and verdict."""
    table = rows(post)
    width = max(map(len, table["variable"]))
    head = " " * width + "".join(f"{name:>10}" for name in COLUMNS)
    lines = []
    for i, name in enumerate(table["variable"]):
        cells = "".join(_cell(column, table[column][i]) for column in COLUMNS)
        lines.append(f"{name:<{width}}{cells}")
    chains, draws, _ = post.values.shape
    what = "Prior" if post.settings.prior_only else "Posterior"
    groups = ", ".join(f"{g} {n}" for g, n in post.fit.ngroups.items())
    return "\n".join(
        [
            f"{what} of {post.formula}",
            f"{post.fit.nobs} rows; levels: {groups}; {chains} chains of {draws} draws after"
            f" {post.settings.warmup} of warm-up; seed {post.settings.seed}",
            *([post.interrupted] if post.interrupted else []),
            f"NUTS: {post.settings.why}",
            *(
                f"{new} is the fixed effect of {old}"
                for old, new in post.parameters.renamed.items()
            ),
            "",
            head,
            *lines,
            "",
            "Priors:",
            *("  " + line for line in str(post.priors).splitlines()),
            "",
            post.diagnostics.verdict,
        ]
    )


def html(post: Posterior) -> str:
    """The table of `text`, its notes and the priors."""
    table = rows(post)
    columns = tuple(tuple(_cell(c, v).strip() for v in table[c]) for c in COLUMNS)
    chains, draws, _ = post.values.shape
    what = "Prior" if post.settings.prior_only else "Posterior"
    title = f"{what}: {chains} chains of {draws:,} draws after {post.settings.warmup:,} of warm-up"
    names = post.parameters.renamed.items()
    notes = [f"{new} is the fixed effect of {old}" for old, new in names]
    priors = CellTable(
        tuple(post.priors.priors),
        ("Prior",),
        (tuple(str(prior) for prior in post.priors.priors.values()),),
    )
    return tables_html(
        title,
        [("", CellTable(tuple(table["variable"]), COLUMNS, columns)), ("Priors", priors)],
        lines=[("Formula:", post.formula)],
        notes=[*([post.interrupted] if post.interrupted else []), *notes, post.diagnostics.verdict],
    )


def _cell(column: str, value: float) -> str:
    if column == "rhat":
        return f"{value:>10.3f}"
    if column.startswith("ess"):
        return f"{value:>10.0f}"
    return f"{value:>10.4g}"

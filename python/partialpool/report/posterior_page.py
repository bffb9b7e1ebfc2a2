"""The report of a posterior: one HTML page that needs nothing beside itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from partialpool.bayes.summaries import rows
from partialpool.errors import ArgumentError
from partialpool.report.data_summary import summarise_data
from partialpool.report.gallery import Kind, draw
from partialpool.report.page import SECTIONS, check_place, model_in_words, template, write_page
from partialpool.report.provenance import sample_call, versions
from partialpool.tables.rformat import CellTable

if TYPE_CHECKING:
    from partialpool.bayes.posterior import Posterior

#: Probability of the intervals.
LEVEL = 0.95

FIGURES = (
    Kind(
        "densities",
        "Posterior densities",
        lambda post: "Each parameter's density over its draws, with its prior.",
        options={"level": LEVEL},
    ),
    Kind(
        "caterpillar",
        "Random effects by level",
        lambda post: "Each level's deviation from the mean, with its credible interval.",
        always=False,
        options={"level": LEVEL},
    ),
)
CHECKS = (
    Kind(
        "traces",
        "Draws in their order",
        lambda post: "Chains that have mixed lie on each other and show no trend.",
    ),
    Kind(
        "predictive",
        "Data and replicated data",
        lambda post: (
            "Densities of responses drawn from the posterior, and of the response itself:"
            " where they differ, the model misses something."
        ),
        always=False,
    ),
)


def write_posterior_report(
    post: Posterior, path: str | Path, *, command: str | None = None
) -> None:
    """See `Posterior.report`."""
    check_place(path)
    write_page(posterior_html(post, command=command), path)


def posterior_html(
    post: Posterior, *, command: str | None = None, made_on: date | None = None
) -> str:
    """The page as text.

    Parameters
    ----------
    post
    command
        The command line that made the posterior; None: the call of `sample` is shown.
    made_on
        The date on the page; None: today's.
    """
    if command is not None and not isinstance(command, str):
        raise ArgumentError(f"command must be text, not {command!r}")
    fit, checks, table = post.fit, post.diagnostics, rows(post)
    shown = [kind for kind in SECTIONS if kind[0] != "tests"]
    return template("posterior.html.j2").render(
        formula=post.formula,
        title=_title(post),
        data_name=fit.data_name,
        warning="" if checks.ok else checks.verdict,
        sections=shown,
        words=list(_words(post)),
        priors=_priors(post),
        data=summarise_data(fit),
        estimates=_estimates(post, table),
        level=round(100 * LEVEL),
        notes=_notes(post),
        figures=_drawn(post, FIGURES),
        verdict=checks.verdict,
        mixing=_mixing(post, table),
        checks=_drawn(post, CHECKS),
        call=sample_call(post) if command is None else command,
        versions=versions(),
        made_on=(made_on or date.today()).isoformat(),
    )


def _title(post: Posterior) -> str:
    chains, draws, _ = post.values.shape
    what = "Prior" if post.settings.prior_only else "Posterior"
    return (
        f"{what} distribution by NUTS: {chains} chains of {draws:,} draws after"
        f" {post.settings.warmup:,} of warm-up, seed {post.settings.seed}"
    )


def _words(post: Posterior) -> Iterator[str]:
    """What was modelled, and how the posterior was sampled."""
    *model, _ = model_in_words(post.fit)
    yield from model
    yield f"The No-U-Turn sampler drew from the posterior: {post.settings.why}."


def _notes(post: Posterior) -> list[str]:
    renamed = post.parameters.renamed.items()
    out = [f"{new} is the fixed effect of {old}." for old, new in renamed]
    return [*([f"{post.interrupted}."] if post.interrupted else []), *out]


def _priors(post: Posterior) -> CellTable:
    table = post.priors
    given = ["user" if name in table.given else "default" for name in table.priors]
    texts = [str(prior) for prior in table.priors.values()]
    return CellTable(
        row_names=tuple(table.priors),
        header=("Prior", "Given by"),
        columns=(tuple(texts), tuple(given)),
    )


def _estimates(post: Posterior, table: dict[str, list[float]]) -> CellTable:
    """Mean, standard deviation, median and interval of each parameter."""
    ends = [np.quantile(post.draws(v), [0.5 - LEVEL / 2, 0.5 + LEVEL / 2]) for v in post.variables]
    low, high = zip(*ends, strict=True)
    columns = (table["mean"], table["sd"], table["median"], low, high)
    return CellTable(
        row_names=post.variables,
        header=("Mean", "SD", "Median", "Lower", "Upper"),
        columns=tuple(tuple(f"{v:.4g}" for v in column) for column in columns),
    )


def _mixing(post: Posterior, table: dict[str, list[float]]) -> CellTable:
    formats = {"rhat": "{:.3f}", "ess_bulk": "{:,.0f}", "ess_tail": "{:,.0f}"}
    return CellTable(
        row_names=post.variables,
        header=("R-hat", "Bulk ESS", "Tail ESS"),
        columns=tuple(tuple(map(how.format, table[name])) for name, how in formats.items()),
    )


def _drawn(post: Posterior, kinds: tuple[Kind, ...]) -> list[object]:
    pictures = [(kind, draw(post, kind)) for kind in kinds]
    return [picture for kind, picture in pictures if kind.always or picture.source is not None]

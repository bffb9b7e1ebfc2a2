"""The report of a fit: one HTML page that needs nothing beside itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from partialpool.arguments import Ddf
from partialpool.design.covariance import parts
from partialpool.errors import ArgumentError, PartialPoolError
from partialpool.figures.style import check_fit
from partialpool.files.atomic import write_whole
from partialpool.models import summary_text as text
from partialpool.report.data_summary import summarise_data
from partialpool.report.equations import shown, write_equations
from partialpool.report.gallery import draw_figures
from partialpool.report.provenance import python_call, versions
from partialpool.report.readings import read_convergence
from partialpool.report.wording import count, listed
from partialpool.tables.rformat import CellTable, format_column

if TYPE_CHECKING:
    from jinja2 import Template

    from partialpool.models.fit import MixedFit
    from partialpool.models.summary import Summary

#: Coverage of the intervals beside the fixed effects.
LEVEL = 0.95
#: The page's sections.
SECTIONS = (
    ("model", "Model"),
    ("data", "Data"),
    ("estimates", "Estimates"),
    ("tests", "Tests"),
    ("diagnostics", "Diagnostics"),
    ("made", "How it was made"),
)


@dataclass(frozen=True, slots=True)
class Test:
    """A table of tests: its heading, what it asks, and the table or why there is none."""

    title: str
    question: str
    table: CellTable | None
    reason: str = ""


def write_report(
    fit: MixedFit,
    path: str | Path,
    *,
    ddf: Ddf = "satterthwaite",
    command: str | None = None,
) -> None:
    """See `LinearMixedModel.report`."""
    check_place(path)
    write_page(report_html(fit, ddf=ddf, command=command), path)


def check_place(path: object) -> None:
    """Refuse what cannot be the place of a file, before the page is made."""
    if not isinstance(path, str | Path):
        raise ArgumentError(f"the place of a file is text or a Path, not {path!r}")


def write_page(page: str, path: str | Path) -> None:
    """Write a page, all of it or nothing."""
    # Names may hold halves of surrogate pairs, which UTF-8 cannot.
    content = page.encode("utf-8", errors="xmlcharrefreplace")
    write_whole(path, lambda file: file.write(content), "the report ")


def report_html(
    fit: MixedFit,
    *,
    ddf: Ddf = "satterthwaite",
    command: str | None = None,
    made_on: date | None = None,
) -> str:
    """The page as text.

    Parameters
    ----------
    fit
    ddf
        As `LinearMixedModel.summary`; also of the F tests.
    command
        The command line that made the fit; None: the call of `lmer` is shown.
    made_on
        The date on the page; None: today's.
    """
    check_fit(fit, "the report")
    if command is not None and not isinstance(command, str):
        raise ArgumentError(f"command must be text, not {command!r}")
    summary = fit.summary(ddf=ddf)
    names, values = text.criterion_cells(summary)
    unsound = not fit.convergence.converged or fit.is_singular
    convergence = read_convergence(fit)
    return template("fit.html.j2").render(
        formula=summary.formula,
        title=summary.title,
        data_name=summary.data_name,
        warning=convergence if unsound else "",
        sections=SECTIONS,
        s=summary,
        words=list(model_in_words(fit)),
        equations=write_equations(fit),
        data=summarise_data(fit),
        fixed=with_intervals(summary),
        level=round(100 * LEVEL),
        correlation=text.correlation_table(summary),
        correlation_note=text.correlation_note(summary),
        random=text.variance_table(summary),
        criteria=list(zip(names, values, strict=True)),
        residuals=list(zip(text.QUANTILE_NAMES, text.residual_cells(summary), strict=True)),
        tests=list(tests(fit, ddf)),
        convergence=convergence,
        figures=draw_figures(fit),
        call=python_call(fit) if command is None else command,
        versions=versions(),
        made_on=(made_on or date.today()).isoformat(),
    )


@cache
def template(name: str) -> Template:
    """A template of this package, which knows the tables' too."""
    from jinja2 import ChoiceLoader, PackageLoader

    from partialpool.tables.html import environment

    tables = environment().loader
    assert tables is not None
    loader = ChoiceLoader([tables, PackageLoader("partialpool", "report")])
    return (
        environment()
        .overlay(loader=loader, trim_blocks=True, lstrip_blocks=True)
        .get_template(name)
    )


def model_in_words(fit: MixedFit) -> Iterator[str]:
    """What was modelled, what varies by what, and how it was estimated."""
    design = fit.design
    fixed = [n for n in fit.fixed_names if n != "Intercept"]
    what = []
    if "Intercept" in fit.fixed_names:
        what.append("an intercept")
    if fixed:
        what.append(f"{count(len(fixed), 'coefficient')} ({listed(fixed, 8)})")
    beginning = f"A linear mixed model describes {design.formula.response_name}"
    yield (
        f"{beginning} by {' and '.join(what)}." if what else f"{beginning}, without fixed effects."
    )
    for term in fit.terms:
        names = [shown(n) for n in term.names]
        verb = "varies" if len(names) == 1 else "vary"
        together = ""
        if len(names) > 1:
            one = len(parts(term.blocks)) == 1
            together = ", with correlations" if one else ", without correlations between terms"
        levels = count(len(term.factor.levels), "level")
        yield (
            f"{'The ' if names[0] == 'intercept' else 'The slope of ' if len(names) == 1 else ''}"
            f"{listed(names, 8)} {verb} between the {levels} of {term.factor.name}{together}:"
            f" {term.text}."
        )
    method = "restricted maximum likelihood (REML)" if fit.reml else "maximum likelihood (ML)"
    yield f"Estimated by {method} from {count(fit.nobs, 'row')}."


def with_intervals(summary: Summary) -> CellTable:
    """The table of fixed effects with intervals by t, or by the normal where no df are known."""
    from scipy.stats import norm, t

    cells = text.fixed_effects_table(summary)
    if not summary.terms:
        return cells
    upper = 0.5 + LEVEL / 2
    quantile: Any = norm.ppf(upper) if summary.df is None else t.ppf(upper, summary.df)
    half = np.asarray(quantile) * summary.std_error
    ends = format_column([*(summary.estimate - half), *(summary.estimate + half)], text.DIGITS)
    p = len(summary.terms)
    # Estimate and standard error come first: the interval stands beside them.
    header = (*cells.header[:2], "Lower", "Upper", *cells.header[2:])
    columns = (*cells.columns[:2], tuple(ends[:p]), tuple(ends[p:]), *cells.columns[2:])
    return replace(cells, header=header, columns=columns)


def tests(fit: MixedFit, ddf: Ddf) -> Iterator[Test]:
    """Terms of the fixed part, and the random terms."""
    from partialpool.tables.anova import anova_cells

    asked = (
        (
            "Terms of the fixed part",
            "Does a term improve the model, given all others? F tests",
            lambda: fit.anova(ddf=ddf),
        ),
        (
            "Random terms",
            "Does a random term improve the model? Likelihood-ratio tests; as a variance cannot be"
            " negative, their p-values err on the large side",
            lambda: fit.ranova(),
        ),
    )
    for title, question, run in asked:
        try:
            result = run()
        except PartialPoolError as error:
            yield Test(title, question, None, str(error))
            continue
        cells = anova_cells(result.terms, result.shown_columns())
        if result.terms:
            yield Test(title, f"{question}. {result.method}.", cells)
        else:
            yield Test(title, question, None, "there is no term but the intercept")

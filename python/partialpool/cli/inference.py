"""`partialpool anova`, `confint` and `emmeans`: tests, intervals and means of a model."""

from __future__ import annotations

from typing import Annotated, Any, cast

import typer

from partialpool import errors
from partialpool.arguments import CONFINT_METHODS, CONTRAST_NAMES, DDF, AnovaType, check_choice
from partialpool.cli import options
from partialpool.cli.files import require_places
from partialpool.cli.fit import say_verdict
from partialpool.cli.numbers import give
from partialpool.cli.request import ModelRequest, takes_model
from partialpool.cli.simulate import values_by_name

Names = list[str] | None


@takes_model()
def anova(
    request: ModelRequest,
    kind: Annotated[
        int, typer.Option("--type", help="1 (sequential), 2, or 3 sums of squares.")
    ] = 3,
    ddf: options.Ddf = "satterthwaite",
    random: Annotated[
        bool, typer.Option("--random", help="Likelihood-ratio tests of the random terms instead.")
    ] = False,
    against: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FORMULA",
            help="Repeated; likelihood-ratio tests against these models instead, refitted by ML.",
        ),
    ] = None,
    as_json: options.AsJson = False,
    out: options.Out = None,
) -> None:
    """Test the terms of a model, or compare models."""
    require_places(out)
    if random and against:
        raise errors.ArgumentError("--random and --against are two different tables; give one")
    method = check_choice(ddf, "--ddf", DDF)
    table: Any
    model = request.fit()
    if against:
        from partialpool.inference.comparison.likelihood_ratio import anova as compared

        table = compared(model, *(model.update(formula) for formula in against))
    else:
        table = model.ranova() if random else model.anova(cast(AnovaType, kind), method)
    give(table.to_frame(), as_json=as_json, out=out, text=str(table))
    say_verdict(model)


@takes_model()
def confint(
    request: ModelRequest,
    method: Annotated[
        str, typer.Option(help="profile, boot, or wald (fixed effects only).")
    ] = "profile",
    level: options.Level = 0.95,
    nsim: Annotated[int, typer.Option(max=options.MOST, help="Refits of the bootstrap.")] = 1000,
    seed: options.Seed = None,
    as_json: options.AsJson = False,
    out: options.Out = None,
) -> None:
    """Confidence intervals of standard deviations, correlations, σ and fixed effects."""
    require_places(out)
    model = request.fit()
    chosen = check_choice(method, "--method", CONFINT_METHODS)
    table = model.confint(chosen, level, nsim, seed)
    frame = table.rename_axis("parameter").reset_index()
    give(frame, as_json=as_json, out=out)
    say_verdict(model)


@takes_model()
def emmeans(
    request: ModelRequest,
    of: Annotated[
        Names,
        typer.Option(metavar="NAMES", help="Predictors whose means are wanted, with commas."),
    ] = None,
    by: Annotated[
        Names, typer.Option(metavar="NAMES", help="Predictors within whose levels to compare.")
    ] = None,
    trend: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Slopes of this covariate instead of means (emtrends)."),
    ] = None,
    at: Annotated[
        Names,
        typer.Option(metavar="NAME=VALUES", help="Repeated; values of a predictor: x=0,1."),
    ] = None,
    pairs: Annotated[
        bool, typer.Option("--pairs", help="Compare all pairs of means (Tukey).")
    ] = False,
    contrast: Annotated[
        str | None,
        typer.Option(metavar="KIND", help="Contrasts: pairwise, revpairwise, trt_vs_ctrl or poly."),
    ] = None,
    adjust: Annotated[
        str | None,
        typer.Option(help="For several tests: tukey, dunnettx, holm, bonferroni, sidak or none."),
    ] = None,
    ddf: options.Ddf = "satterthwaite",
    level: options.Level = 0.95,
    as_json: options.AsJson = False,
    out: options.Out = None,
) -> None:
    """Estimated marginal means, slopes, and their contrasts."""
    from partialpool.inference.means.emmeans import emmeans as means_of
    from partialpool.inference.means.emmeans import emtrends

    require_places(out)
    if not of:
        raise errors.ArgumentError("--of is missing; name the predictors, as --of recipe")
    if pairs and contrast:
        raise errors.ArgumentError("--pairs is --contrast pairwise; give one of them")
    kind = "pairwise" if pairs else contrast
    model = request.fit()
    how: dict[str, Any] = {
        "by": _names(by) or None,
        "ddf": ddf,
        "at": values_by_name(at, "--at") or None,
        "level": level,
    }
    adjusted: dict[str, Any] = {} if adjust is None else {"adjust": adjust}
    how |= adjusted if kind is None else {}
    specs = _names(of)
    found = means_of(model, specs, **how) if trend is None else emtrends(model, specs, trend, **how)
    if kind is not None:
        found = found.contrast(check_choice(kind, "--contrast", CONTRAST_NAMES), **adjusted)
    give(found.to_frame(), as_json=as_json, out=out, text=str(found))
    say_verdict(model)


def _names(texts: Names) -> list[str]:
    """Names, repeated or with commas between them."""
    return [name.strip() for text in texts or () for name in text.split(",") if name.strip()]

"""Answers as numbers for programs, and as tables for people."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer

from partialpool.cli.files import plain, write_table


def give(answer: Any, *, as_json: bool, out: Path | None, text: str | None = None) -> None:
    """Print a frame, or the text of its own that an answer has; as JSON records; into a file.

    Parameters
    ----------
    answer
        A pandas frame; its index, where it has names or labels, becomes a column.
    as_json
        Records on standard output.
    out
        File of the table; standard output then says so.
    text
        Printed in the place of the frame.
    """
    if out is not None:
        write_table(answer, out)
        typer.echo(f"{len(answer)} rows written to {out}", err=as_json)
    if as_json:
        typer.echo(json.dumps(plain(answer.to_dict("records")), indent=1, allow_nan=False))
    elif out is None:
        typer.echo(text if text is not None else table_text(answer))


def table_text(frame: Any) -> str:
    """A frame as text, all of its columns, numbers with four digits."""
    return frame.to_string(index=False, float_format=lambda v: f"{v:.4g}", na_rep="")


def as_numbers(model: Any, ddf: str, level: float | None = None) -> dict[str, Any]:
    """A fit as plain JSON values; what has no finite value is null."""
    from partialpool import __version__

    summary = model.summary(ddf=ddf)
    limits = {}
    if level is not None:
        table = model.tidy(effects="fixed", conf_int=True, conf_level=level, ddf=ddf)
        columns = ["term", "conf_low", "conf_high"]
        limits = {"level": level, "intervals": table[columns].to_dict("records")}
    verdict = model.convergence
    return plain(
        {
            "partialpool": __version__,
            "data": model.data_name,
            "formula": model.formula,
            "method": "REML" if model.reml else "ML",
            "ddf": ddf,
            "nobs": model.nobs,
            "dropped": model.dropped_rows,
            "ngroups": model.ngroups,
            "npar": model.npar,
            "criterion": model.criterion,
            "loglik": model.loglik,
            "deviance": model.deviance,
            "aic": model.aic,
            "bic": model.bic,
            "sigma": model.sigma,
            "explained_variance": model.explained_variance,
            "theta": dict(model.theta),
            "coefficients": summary.coefficients.to_dict("records"),
            **limits,
            "vcov": model.covariance.tolist(),
            "aliased": model.aliased,
            "varcorr": summary.varcorr.to_dict("records"),
            "ranef": {
                group: frame.reset_index().to_dict("records")
                for group, frame in model.ranef(condsd=True).items()
            },
            "scaled_residual_quantiles": model.residual_quantiles,
            "is_singular": model.is_singular,
            "singular_directions": model.singular_directions,
            "converged": verdict.converged,
            "convergence": {
                "gradient_norm": verdict.gradient_norm,
                "min_eigenvalue": verdict.min_eigenvalue,
                "evaluations": verdict.evaluations,
                "message": verdict.message,
            },
            "notes": summary.notes,
        }
    )

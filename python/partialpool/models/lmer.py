"""`lmer`: formula and data → fitted linear mixed model."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from partialpool._core import CrossProducts
from partialpool.arguments import Coding, NaAction, check_flag
from partialpool.crossproducts.build import cross_products
from partialpool.design import Design, build_design
from partialpool.errors import DesignError
from partialpool.formula import parse_formula, require_random
from partialpool.hints import knows_foreign_arguments
from partialpool.models.identification import identification, settled
from partialpool.models.linear_mixed import LinearMixedModel
from partialpool.models.native import fit_native
from partialpool.models.representable import check_variances


@knows_foreign_arguments
def lmer(
    formula: str,
    data: Any,
    *,
    reml: bool = True,
    weights: Any = None,
    offset: Any = None,
    contrasts: Mapping[str, Coding] | None = None,
    na_action: NaAction = "drop",
) -> LinearMixedModel:
    """Fit a linear mixed model by (restricted) maximum likelihood.

    Parameters
    ----------
    formula
        lme4's language, as ``"Reaction ~ Days + (Days | Subject)"``. ``(x || g)`` gives every
        column of the model matrix ``1 + x`` an independent random effect, factors included.
    data
        pandas, polars or pyarrow table, anything narwhals reads eagerly, or a dict of arrays.
        Series in a dict are matched by their labels, and refused where these differ. Objects that
        are all numbers (`Decimal`, whole numbers with None) are numbers; masked entries are
        missing.
    reml
        REML (default) or, if False, maximum likelihood.
    weights
        Prior weights: the residual variance of row i is σ²/wᵢ. Column name or array of shape (n,).
        A pandas Series beside pandas data goes by its labels; one of other labels is refused.
    offset
        Added to the linear predictor; given as `weights` are.
    contrasts
        By factor: "treatment" (default), "sum", "helmert", "poly", "SAS" or "diff"; for C(f) too,
        unless it names a contrast itself.
    na_action
        "drop" leaves out rows with a missing value in any variable used and counts them in the
        summary; "error" refuses them.

    Returns
    -------
    LinearMixedModel

    Raises
    ------
    FormulaError, DataError, DesignError
        One line that names the culprit. Units do not matter as long as variances are numbers from
        2.2e-308 to 1.8e308 (standard deviations from 1.5e-154 to 1.3e154); beyond, the column is
        named.

    Warns
    -----
    ConvergenceWarning
        Only if the exact gradient or the Hessian fail their checks. A singular fit is reported by
        `is_singular` and in the summary.

    References
    ----------
    Bates, Mächler, Bolker & Walker (2015), J. Stat. Software 67(1).
    """
    parsed = parse_formula(formula)
    require_random(parsed)
    design = build_design(
        parsed, data, weights=weights, offset=offset, contrasts=contrasts, na_action=na_action
    )
    return fit_design(design, reml=reml, data_name=_caller_name(data))


def fit_design(
    design: Design, *, reml: bool = True, data_name: str | None = None, start: Any = None
) -> LinearMixedModel:
    """Fit a design that is already read."""
    reml = check_flag(reml, "reml")
    products: CrossProducts = cross_products(design)
    if not products.kept and design.x:
        raise DesignError("no column of the fixed part varies; check the formula")
    native = fit_native(products, reml, start, response=design.formula.response_name)
    found = identification(products, design)
    native = settled(products, native, found, reml)
    model = LinearMixedModel(
        design, products, native, reml=reml, data_name=data_name, identification=found
    )
    check_variances(model)
    model.warn_if_not_converged()
    return model


def _caller_name(data: Any) -> str | None:
    """What the caller calls the data, for the summary's `Data:` line."""
    frame = sys._getframe(2)
    while frame.f_globals.get("__name__") == "partialpool.hints" and frame.f_back is not None:
        frame = frame.f_back
    for names in (frame.f_locals, frame.f_globals):
        for name, value in names.items():
            if value is data and not name.startswith("_"):
                return name
    return None

"""Fits of cross-products alone: of merged parts, of files, of rows that are elsewhere."""

from __future__ import annotations

from partialpool.crossproducts import crossproducts
from partialpool.design.reading import check_factors
from partialpool.models.identification import identification, settled
from partialpool.models.linear_mixed import LinearMixedModel
from partialpool.models.native import fit_native
from partialpool.models.representable import check_variances


class CrossProducts(crossproducts.CrossProducts):
    """Sufficient statistics of a mixed model's rows, to be merged, stored and fitted.

    A Gaussian mixed model sees its rows only through [Z X y]ᵀW[Z X y], a sum over rows: parts of
    the data give parts of the sum, and the fit of the merged sum is the fit of all rows.

    Attributes
    ----------
    design
        Names, levels and encoders; its rows may be absent.
    native
        The blocks.
    """

    def fit(self, *, reml: bool = True) -> LinearMixedModel:
        """Fit the model; what is stated a row (residuals, …) is not available from it."""
        check_factors(self.design.factors, self.nobs)
        response = self.design.formula.response_name
        native = fit_native(self.native, reml, response=response)
        found = identification(self.native, self.design)
        native = settled(self.native, native, found, reml)
        nan = float("nan")
        stored = {"quantiles": [nan] * 5, "dropped": 0}
        model = LinearMixedModel(
            self.design, self.native, native, reml=reml, stored=stored, identification=found
        )
        check_variances(model)
        model.warn_if_not_converged()
        return model

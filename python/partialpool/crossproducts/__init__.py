"""Design → cross-products that can be merged, stored and fitted without the rows.

A Gaussian mixed model sees its rows only through [Z X y]ᵀW[Z X y], a sum over rows: parts of the
data give parts of the sum, and the fit of the merged sum is the fit of all rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from partialpool import _core
from partialpool.design import Design, build_design
from partialpool.design.design import Encoder
from partialpool.design.reading import check_factors
from partialpool.errors import DesignError
from partialpool.formula import parse_formula
from partialpool.models.limits import check_variances
from partialpool.models.linear_mixed import LinearMixedModel
from partialpool.models.lmer import require_random
from partialpool.models.native import cross_products, fit_native


@dataclass(frozen=True, eq=False)
class CrossProducts:
    """Sufficient statistics of a mixed model's rows.

    Attributes
    ----------
    design
        Names, levels and encoders; its rows may be absent.
    native
        The blocks.
    """

    design: Design
    native: _core.CrossProducts

    @classmethod
    def of(
        cls, formula: str, data: Any, *, contrasts: Mapping[str, str] | None = None
    ) -> CrossProducts:
        """Cross-products of a model's rows (see `lmer` for the arguments)."""
        parsed = parse_formula(formula)
        require_random(parsed)
        # A part may be too small for a fit of its own; the whole is checked when it is fitted.
        design = build_design(parsed, data, contrasts=contrasts, check=False)
        return cls(design, cross_products(design))

    @property
    def nobs(self) -> int:
        """Rows that went in."""
        return self.native.n

    def __add__(self, other: CrossProducts) -> CrossProducts:
        return self.merge(other)

    def merge(self, other: CrossProducts) -> CrossProducts:
        """The cross-products of both parts' rows together; levels are matched by label.

        Raises
        ------
        DesignError
            If the parts are of different models.
        """
        if self.design.formula != other.design.formula:
            raise DesignError(
                f"cross-products of different models cannot be merged:"
                f" `{self.design.formula.text}` and `{other.design.formula.text}`"
            )
        for own, others in zip(_encoders(self.design), _encoders(other.design), strict=True):
            if own.state().get("transforms") != others.state().get("transforms"):
                raise DesignError(
                    f"`{own.state()['text']}` has a transform that looks at the data (its centre,"
                    " scale or knots), which differs between the parts; transform the columns"
                    " before they are split"
                )
        if self.design.fixed.names != other.design.fixed.names:
            raise DesignError(
                "the parts' fixed-effect columns differ; give factors the same categories in each"
            )
        factors, sizes, maps = [], [], []
        for a, b in zip(self.design.factors, other.design.factors, strict=True):
            if a.names != b.names:
                raise DesignError(
                    f"the columns of {a.name!r} differ between the parts; give factors the same"
                    " categories in each"
                )
            place = {level: i for i, level in enumerate(a.levels)}
            for level in b.levels:
                place.setdefault(level, len(place))
            sizes.append(len(place))
            maps.append(([place[v] for v in a.levels], [place[v] for v in b.levels]))
            factors.append(replace(a, levels=tuple(place), codes=None, columns=()))
        try:
            native = self.native.merge(other.native, sizes, maps)
        except _core.CoreError as error:
            raise DesignError(f"the parts cannot be merged: {error}") from None
        design = replace(
            self.design,
            y=None,
            x=(),
            weights=None,
            offset=None,
            rows=None,
            source=None,
            factors=tuple(factors),
            total=native.n,
        )
        return CrossProducts(design, native)

    def fit(self, *, reml: bool = True) -> LinearMixedModel:
        """Fit the model; what is stated a row (residuals, …) is not available from it."""
        check_factors(self.design.factors, self.nobs)
        response = self.design.formula.response_name
        native = fit_native(self.native, reml, response=response)
        nan = float("nan")
        stored = {"quantiles": [nan] * 5, "dropped": 0}
        model = LinearMixedModel(self.design, self.native, native, reml=reml, stored=stored)
        check_variances(model)
        model.warn_if_not_converged()
        return model


def _encoders(design: Design) -> list[Encoder]:
    return [design.fixed, *(term.encoder for f in design.factors for term in f.terms)]

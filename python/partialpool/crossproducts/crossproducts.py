"""Design → cross-products that can be merged, stored and fitted without the rows.

A Gaussian mixed model sees its rows only through [Z X y]ᵀW[Z X y], a sum over rows: parts of the
data give parts of the sum, and the fit of the merged sum is the fit of all rows.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from partialpool import _core
from partialpool.arguments import Coding
from partialpool.crossproducts.build import cross_products
from partialpool.design import Design, build_design
from partialpool.design.levels import label_text, shown
from partialpool.errors import DesignError
from partialpool.formula import parse_formula, require_random


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
        cls, formula: str, data: Any, *, contrasts: Mapping[str, Coding] | None = None
    ) -> CrossProducts:
        """Cross-products of a model's rows (see `lmer` for the arguments)."""
        parsed = parse_formula(formula)
        require_random(parsed)
        # A part may be too small for a fit of its own; the whole is checked when it is fitted.
        design = build_design(parsed, data, contrasts=contrasts, check=False)
        return cls(design, cross_products(design))

    def __getstate__(self) -> dict[str, Any]:
        return {"design": self.design, "native": self.native.to_bytes()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        native = _core.CrossProducts.from_bytes(state["native"])
        self.__dict__.update(state, native=native)

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
        for own, others in zip(self.design.encoders, other.design.encoders, strict=True):
            if own.state()["transforms"] != others.state()["transforms"]:
                raise DesignError(
                    f"`{own.text}` has a transform that looks at the data (its centre,"
                    " scale or knots), which differs between the parts; transform the columns"
                    " before they are split"
                )
            for name, levels in own.levels.items():
                if others.levels.get(name) != levels:
                    raise DesignError(
                        f"the levels of {name!r} differ between the parts; give factors the same"
                        " categories in each"
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
            place = merged_levels(a.levels, b.levels, a.name)
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
            table=None,
            factors=tuple(factors),
            total=native.n,
        )
        return replace(self, design=design, native=native)


def merged_levels(
    own: Sequence[Hashable], others: Sequence[Hashable], name: str
) -> dict[Hashable, int]:
    """Places of both parts' levels, one's own first.

    Raises
    ------
    DesignError
        If a level of one part and one of the other may be the same, and may not.
    """
    place = {level: i for i, level in enumerate(own)}
    texts = {text: level for level in own for text in (str(level), label_text(level))}
    for level in others:
        alike = texts.get(label_text(level), texts.get(str(level)))
        known = own[place[level]] if level in place else alike
        # 1 and "1", or 1 and True: as one group or as two, half of the users are wrong.
        equal = level in place and label_text(known) == label_text(level)
        if known is not None and not equal:
            raise DesignError(
                f"{name!r} has the level {shown(known)} in one part and {shown(level)} in another;"
                " give the column one type in all parts"
            )
    for level in others:
        place.setdefault(level, len(place))
    return place

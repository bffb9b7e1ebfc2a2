"""Formula and dataframe → `Design`: columns, level codes, names, and what new data need."""

from partialpool.design.design import Design, Factor
from partialpool.design.frame import Frame
from partialpool.design.reading import build_design

__all__ = ["Design", "Factor", "Frame", "build_design"]

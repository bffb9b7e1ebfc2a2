"""Formula and dataframe → `Design`: columns, level codes, names, and what new data need."""

from partialpool.design.design import Design, Factor, build_design
from partialpool.design.frame import Frame

__all__ = ["Design", "Factor", "Frame", "build_design"]

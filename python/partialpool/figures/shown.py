"""The figures that we make; apart, as it needs matplotlib when it is imported."""

from io import BytesIO

from matplotlib.figure import Figure


class ShownFigure(Figure):
    """Notebooks know the figures of pyplot only, unless they can draw themselves."""

    def _repr_png_(self) -> bytes:
        out = BytesIO()
        self.savefig(out, format="png", dpi=100)
        return out.getvalue()

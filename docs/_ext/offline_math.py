"""Formulas as MathML, written when the page is built: no script, no font, no network."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.writers.html5 import HTML5Translator


def mathml(text: str, display: str) -> str:
    """LaTeX to MathML; what the converter does not know is an error, not red text."""
    try:
        out = convert(text, display=display)
    except Exception as error:
        raise ExtensionError(f"the formula {text!r} cannot be converted: {error!r}") from error
    if "<mi>\\" in out or "<mi>&</mi>" in out:
        raise ExtensionError(f"the formula {text!r} has a command that latex2mathml does not know")
    return out


def visit_inline(self: HTML5Translator, node: nodes.math) -> None:
    self.body.append(mathml(node.astext(), "inline"))
    raise nodes.SkipNode


def visit_block(self: HTML5Translator, node: nodes.math_block) -> None:
    self.body.append(f'<div class="math">{mathml(node.astext(), "block")}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    app.connect(
        "config-inited", lambda _, config: setattr(config, "html_math_renderer", "mathml")
    )
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

"""Formulas as MathML, written when the page is built: no script, no font, no network."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.writers.html5 import HTML5Translator

#: Greek letters that the converter marks as bold: browsers want the characters instead of the mark.
BOLD_GREEK = re.compile(r'<mi mathvariant="bold-italic">&#x0*(3[0-9A-F]{2});</mi>')


def bold(letter: re.Match[str]) -> str:
    """Mathematical bold italic of a Greek letter (Unicode, block 1D400)."""
    point = int(letter[1], 16)
    first, place = (0x3B1, 0x1D736) if point >= 0x3B1 else (0x391, 0x1D71C)
    return f"<mi>&#x{place + point - first:X};</mi>"


def mathml(text: str, display: str) -> str:
    """LaTeX to MathML; what the converter does not know is an error, not red text."""
    try:
        out = convert(text, display=display)
    except Exception as error:
        raise ExtensionError(f"the formula {text!r} cannot be converted: {error!r}") from error
    out = BOLD_GREEK.sub(bold, out).replace("<mi>&#x0007E;</mi>", "<mo>&#x223C;</mo>")
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
    app.connect("config-inited", lambda _, config: setattr(config, "html_math_renderer", "mathml"))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

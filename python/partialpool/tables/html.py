"""Tables as HTML, for notebooks and reports; every name in them is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment, Template

    from partialpool.tables.rformat import CellTable

GRID_MACRO = """\
{% macro long(name) %}{% if name | length > 36 %} pp-long{% endif %}{% endmacro %}
{% macro grid(table, caption, names=True, left=0) -%}
<table>
<caption>{{ caption }}</caption>
<thead><tr>{% if names %}<th></th>{% endif %}
{%- for h in table.header %}<th{% if loop.index0 < left %} class="pp-name"{% endif %} scope="col">
{{- h }}</th>{% endfor %}</tr></thead>
<tbody>
{%- for i in range(table.row_names | length) %}
<tr>{% if names %}<th class="pp-name{{ long(table.row_names[i]) }}" scope="row">
{{- table.row_names[i] }}</th>{% endif %}
{%- for column in table.columns %}<td
{%- if loop.index0 < left %} class="pp-name{{ long(column[i]) }}"
{%- elif table.legend and table.header[loop.index0] == "" %} class="pp-stars"{% endif %}>
{{- column[i] | trim }}</td>{% endfor %}</tr>
{%- endfor %}
</tbody>
</table>
{%- endmacro -%}
"""

# Colours are the page's own, so that light and dark themes both read well.
STYLE = """\
<style>
.partialpool-summary { line-height: 1.35; color: inherit; }
.partialpool-summary p { margin: 0.15em 0; }
.partialpool-summary .pp-title { font-weight: 600; white-space: pre-line; }
.partialpool-summary table { border-collapse: collapse; margin: 0.6em 0; color: inherit;
  background: transparent; font-size: inherit; font-variant-numeric: tabular-nums; }
.partialpool-summary caption { caption-side: top; text-align: left; font-weight: 600;
  color: inherit; padding: 0.1em 0; }
.partialpool-summary tr { background: transparent; }
.partialpool-summary th, .partialpool-summary td { padding: 0.12em 0.7em; border: 0;
  text-align: right; white-space: nowrap; color: inherit; }
.partialpool-summary th { font-weight: 500; }
.partialpool-summary thead th { border-bottom: 1px solid currentColor; }
.partialpool-summary .pp-name { text-align: left; padding-left: 0; }
.partialpool-summary .pp-stars { text-align: left; padding-left: 0; }
.partialpool-summary .pp-small { font-size: 0.87em; opacity: 0.8; }
.partialpool-summary summary { cursor: pointer; }
</style>"""

TABLES_TEMPLATE = """\
{% from "grid" import grid %}
<div class="partialpool-summary">
{{ style }}
<p class="pp-title">{{ title }}</p>
{%- for label, value in lines %}
<p>{{ label }} <code>{{ value }}</code></p>
{%- endfor %}
{%- for caption, table in tables %}
{{ grid(table, caption, names=names, left=left) }}
{%- if table.legend %}
<p class="pp-small">Signif. codes: {{ table.legend }}</p>
{%- endif %}{% endfor %}
{%- for note in notes %}
<p class="pp-note">{{ note }}</p>
{%- endfor %}
</div>
"""

FRAMES_TEMPLATE = """\
<div class="partialpool-summary">
{{ style }}
{%- for name, text, is_markup in parts %}
<p class="pp-title">{{ name }}</p>
{% if is_markup %}{{ text }}{% else %}<pre>{{ text }}</pre>{% endif %}
{%- endfor %}
</div>
"""

TEXT_TEMPLATE = """\
<div class="partialpool-summary">
{{ style }}
<pre>{{ text }}</pre>
</div>
"""

TEMPLATES = {"grid": GRID_MACRO}


@cache
def environment() -> Environment:
    """Templates by name: everything that they are given is escaped."""
    from jinja2 import DictLoader, Environment, StrictUndefined

    return Environment(loader=DictLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)


@cache
def _template(source: str) -> Template:
    return environment().from_string(source)


def render(source: str, **values: Any) -> str:
    """A template's HTML, with our style sheet as `style`."""
    from markupsafe import Markup

    # The style sheet is ours: as markup, it is not escaped.
    return _template(source).render(style=Markup(STYLE), **values)


def text_html(text: str) -> str:
    """A text as it is printed, as an HTML fragment."""
    return render(TEXT_TEMPLATE, text=text)


def frames_html(frames: Iterable[tuple[str, Any]]) -> str:
    """Frames as they show themselves in a notebook, each under its name."""
    from markupsafe import Markup

    parts = []
    for name, frame in frames:
        own = getattr(frame, "_repr_html_", None)
        # A frame's own HTML is markup, its names escaped by its library.
        parts.append((name, str(frame) if own is None else Markup(own()), own is not None))
    return render(FRAMES_TEMPLATE, parts=parts)


def tables_html(
    title: str,
    tables: Sequence[tuple[str, CellTable]],
    *,
    lines: Sequence[tuple[str, str]] = (),
    notes: Sequence[str] = (),
    names: bool = True,
    left: int = 0,
) -> str:
    """Render tables with their captions as an HTML fragment, in one look.

    Parameters
    ----------
    title : str
    tables : sequence of (str, CellTable)
        Captions and tables.
    lines : sequence of (str, str)
        Labels and texts under the title, such as the formula.
    notes : sequence of str
        Sentences under the tables.
    names : bool
        Show the names of rows.
    left : int
        Columns that are words, aligned left; the first ones.
    """
    shown = {"lines": lines, "notes": notes, "names": names, "left": left}
    return render(TABLES_TEMPLATE, title=title, tables=list(tables), **shown)

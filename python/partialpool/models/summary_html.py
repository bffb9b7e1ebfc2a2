"""The summary of a fit as HTML, for notebooks and reports; every name in it is escaped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from partialpool.models import summary_text as text
from partialpool.tables.html import render

if TYPE_CHECKING:
    from partialpool.models.summary import Summary

SUMMARY_TEMPLATE = """\
{% from "grid" import grid %}
<div class="partialpool-summary">
{{ style }}
<p class="pp-title">{{ s.title }}</p>
{%- for label, value in call %}
<p>{{ label | trim }} <code>{{ value }}</code></p>
{%- endfor %}
<p>{% for name, value in criteria %}{{ name }}: {{ value }}
{%- if not loop.last %} &nbsp; {% endif %}{% endfor %}</p>
<p>{{ observations }}{% if dropped %}; {{ dropped }}{% endif %}</p>
{{ grid(random, "Random effects", names=False, left=2) }}
{%- if s.terms %}
{{ grid(fixed, "Fixed effects") }}
{%- if fixed.legend %}
<p class="pp-small">Signif. codes: {{ fixed.legend }}</p>
{%- endif %}{% endif %}
<p class="pp-small">Scaled residuals:
{%- for name, value in residuals %} {{ name }} {{ value }}
{%- if not loop.last %},{% endif %}{% endfor %}</p>
{%- if correlation %}
<details><summary>Correlation of fixed effects</summary>
{{ grid(correlation, "") }}
</details>
{%- elif correlation_note %}
<p class="pp-small">{{ correlation_note }}</p>
{%- endif %}
{%- for note in s.notes %}
<p class="pp-note">{{ note }}</p>
{%- endfor %}
</div>
"""


def summary_html(summary: Summary) -> str:
    """Render a summary as an HTML fragment.

    Parameters
    ----------
    summary : Summary

    Returns
    -------
    str
        A ``<div class="partialpool-summary">`` with its own small style sheet, in the colours
        of the page around it.
    """
    names, values = text.criterion_cells(summary)
    return render(
        SUMMARY_TEMPLATE,
        s=summary,
        call=text.call_lines(summary),
        criteria=list(zip(names, values, strict=True)),
        observations=text.observations_line(summary),
        dropped=text.dropped_line(summary),
        random=text.variance_table(summary),
        fixed=text.fixed_effects_table(summary),
        residuals=list(zip(text.QUANTILE_NAMES, text.residual_cells(summary), strict=True)),
        correlation=text.correlation_table(summary),
        correlation_note=text.correlation_note(summary),
    )

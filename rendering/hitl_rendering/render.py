"""Renders untrusted text of models and users as safe HTML.

``ipywidgets.HTML`` and the page's script set ``innerHTML`` unchanged: all untrusted text must pass through this
module.
"""

from __future__ import annotations

import re
from datetime import datetime

from hitl_rendering.code import code
from hitl_rendering.display import display_of, unfenced
from hitl_rendering.json_tree import Document
from hitl_rendering.kept import kept
from hitl_rendering.markdown import MARKDOWN_LIMIT, markdown
from hitl_rendering.plain_text import encodable, inline, plain
from hitl_rendering.records import Records

__all__ = [
    "MARKDOWN_LIMIT",
    "PAUSED_DAG",
    "comparable",
    "earlier_output",
    "encodable",
    "inline",
    "markdown",
    "moment",
    "output",
    "plain",
    "short_run",
    "time_html",
    "time_of_day",
]

PAUSED_DAG = "the DAG is paused: the task goes on when the DAG is unpaused"
"""Message about a review whose DAG is paused."""

LAID_OUT = 5_000
"""The same limit for an earlier output. Markdown of 20 KB takes about 20 ms, and a review can have many."""

_FRACTION = re.compile(r"\.\d{6}\+00:00(?=$|_)")


def output(text: str, output_format: str, display_as: str | None = None) -> str:
    """Render an output as its author or a reader chose, else as what it looks like. Cached and thread-safe.

    Args:
        text: the output.
        output_format: ``"json"`` or ``"text"``.
        display_as: as for ``display.display_of``.
    """
    return _shown(text, display_of(text, output_format, display_as))


@kept(most_bytes=40_000_000)
def _shown(text: str, display: str) -> str:
    kind, _, language = display.partition(":")
    if kind == "json":
        return _json(text)
    if kind == "table":
        try:
            return Records(text).html()
        except ValueError as error:
            return f'<div class="hitl-meta">{inline(str(error))}</div>{_json(text)}'
    if kind == "code":
        return code(unfenced(text), language)
    return markdown(text) if kind == "markdown" else plain(text)


def earlier_output(text: str, output_format: str, display_as: str | None = None) -> str:
    """Render an earlier output: as text unless the view is fast, since it is collapsed and seldom read."""
    if len(text) <= LAID_OUT:
        return output(text, output_format, display_as)
    return plain(comparable(text, output_format))


def comparable(text: str, output_format: str) -> str:
    """Return an output in the form used for comparison: JSON indented, anything else unchanged."""
    if output_format != "json":
        return text
    try:
        return Document(text).pretty()
    except ValueError:
        return text


def moment(at: datetime) -> str:
    """Format a time in the kernel's time zone, such as ``23 Nov 14:05``."""
    local = at.astimezone()
    return f"{local.day} {local:%b %H:%M}"


def time_html(at: datetime) -> str:
    """Return the time as HTML, with the exact time as its title."""
    local = at.astimezone()
    title = inline(f"{local:%Y-%m-%d %H:%M:%S} {local.tzname()}")
    return f'<time datetime="{local.isoformat()}" title="{title}">{moment(at)}</time>'


def time_of_day(at: datetime, *, now: datetime) -> str:
    """Format a time with seconds in the kernel's time zone, such as ``14:05:10``; with the day if not today."""
    local = at.astimezone()
    day = "" if local.date() == now.astimezone().date() else f"{local.day} {local:%b} "
    return f"{day}{local:%H:%M:%S}"


def short_run(run_id: str) -> str:
    """Return a run id without the fractional seconds of Airflow's generated run ids."""
    return _FRACTION.sub("", run_id)


def _json(text: str) -> str:
    try:
        document = Document(text)
    except ValueError:
        return plain(text)
    try:
        return document.tree()
    except ValueError as error:
        note = f'<div class="hitl-meta">{inline(str(error))} It is shown as text, not as a tree.</div>'
    try:
        return note + plain(document.pretty())
    except ValueError:
        return note + plain(text)

"""Text of models and people as HTML that is safe to show.

``ipywidgets.HTML`` sets ``innerHTML`` as it is, so nothing from outside reaches it but through here.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from html import escape

import nh3
from markdown_it import MarkdownIt

MARKDOWN_LIMIT = 50_000
"""Longer texts, in characters, are shown as plain text: laying out Markdown of that size blocks the page."""

_FRACTION = re.compile(r"\.\d{6}\+00:00(?=$|_)")

_MARKDOWN = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(["table", "strikethrough"])

# No images: loading one would tell its server that the text is being read. No style and no ids: a text must
# not dress up as part of the panel.
_TAGS = {
    *(
        "a",
        "blockquote",
        "br",
        "code",
        "del",
        "em",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "li",
        "ol",
        "p",
    ),
    *("pre", "s", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul"),
}
_ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}}


def markdown(text: str) -> str:
    """Markdown as HTML, without anything active."""
    if len(text) > MARKDOWN_LIMIT:
        return plain(text)
    html = nh3.clean(
        _MARKDOWN.render(text),
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )
    return f'<div class="hitl-markdown">{html}</div>'


def plain(text: str) -> str:
    """Text as it is."""
    return f'<pre class="hitl-plain">{inline(text)}</pre>'


def inline(text: str, *, limit: int | None = None) -> str:
    """Text to stand in a line or an attribute; what is beyond ``limit`` characters is cut off."""
    if limit is not None and len(text) > limit:
        text = text[:limit] + "…"
    return escape(encodable(text))


def encodable(text: str) -> str:
    """Text without lone surrogates: JSON can carry them, a message to the front end cannot."""
    return text.encode("utf-8", "replace").decode()


def output(text: str, output_format: str) -> str:
    """An output: JSON indented, all else as Markdown."""
    if output_format == "json":
        try:
            return plain(json.dumps(json.loads(text), indent=2, ensure_ascii=False))
        except (ValueError, RecursionError):
            return plain(text)
    return markdown(text)


def moment(at: datetime) -> str:
    """A time in the kernel's time zone, such as ``23 Nov 14:05``."""
    local = at.astimezone()
    return f"{local.day} {local:%b %H:%M}"


def time_of_day(at: datetime, *, now: datetime) -> str:
    """A time to the second in the kernel's time zone, such as ``14:05:10``; with the day if it is not today."""
    local = at.astimezone()
    day = "" if local.date() == now.astimezone().date() else f"{local.day} {local:%b} "
    return f"{day}{local:%H:%M:%S}"


def short_run(run_id: str) -> str:
    """A run id without the fraction of a second that Airflow's generated ones end in."""
    return _FRACTION.sub("", run_id)

"""Text of models and people as HTML that is safe to show.

``ipywidgets.HTML`` and the page's script set ``innerHTML`` as it is: nothing from outside reaches them but through
here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from hitl_rendering.json_tree import Document
from hitl_rendering.kept import kept
from hitl_rendering.plain_text import encodable, inline, plain

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

PAUSED_DAG = "the DAG is paused: the task goes on when the DAG does"
"""What is said of a review whose DAG is paused."""

MARKDOWN_LIMIT = 50_000
"""Longer texts, in characters, are shown as plain text: laying out Markdown of that size blocks the page."""

_LAID_OUT = 5_000
"""Characters; of an earlier output. Markdown of 20 KB takes some 20 ms, and a review can have many."""

_FRACTION = re.compile(r"\.\d{6}\+00:00(?=$|_)")

_WHOLE_LINK = re.compile("https?://[^/]|mailto:", re.IGNORECASE)
"""A link that says where it leads. Any other one would lead into Airflow or Jupyter, as if it was theirs."""

_MAX_TOKENS = 60_000
"""Tokens after the parser's first step. A short text can make many: in a table, missing cells are filled in."""

_MAX_BRACKETS = 3_000_000
"""Opening brackets times the characters behind each that the parser may look through for the end of a link."""
_LINK_SEARCH = 500
"""Maximum number of characters; brackets in brackets end the search."""

_MAX_QUOTED = 250_000
"""The deepest marks before a line times all lines: each line may go on with a quotation without its marks."""
_MARKS = re.compile(r"^[ \t>*+\-\d.)]+", re.MULTILINE)

_MAX_NESTING = 60
_MARKDOWN = MarkdownIt("commonmark", {"html": False, "breaks": True, "maxNesting": _MAX_NESTING}).enable(
    ["table", "strikethrough"]
)

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
    """Markdown as HTML, without anything active; a very long one as it is."""
    if len(text) > MARKDOWN_LIMIT:
        return _as_it_is(text, f"is long ({len(text):,} characters)")
    depth = max((marks.count(">") for marks in _MARKS.findall(text)), default=0)
    try:
        if depth * text.count("\n") > _MAX_QUOTED:
            raise _TooMuchWorkError
        tokens = _MARKDOWN.parse(encodable(text))
    except _TooMuchWorkError:
        return _as_it_is(text, "would take long to lay out")
    if any(token.level >= _MAX_NESTING - 1 for token in tokens):
        return _as_it_is(text, "is very deeply nested")  # the parser drops what is deeper
    html = nh3.clean(
        _MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {}),
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        attribute_filter=_attribute,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
        # Not inside Airflow's frame, nor in place of the notebook.
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )
    return f'<div class="hitl-markdown">{html}</div>'


@kept(most_bytes=40_000_000)
def output(text: str, output_format: str) -> str:
    """An output: JSON as a tree, all else as Markdown. Kept for the next time; any thread may call it."""
    return _json(text) if output_format == "json" else markdown(text)


def earlier_output(text: str, output_format: str) -> str:
    """An output of before: laid out only where that is quick, since it is folded and seldom looked at."""
    if len(text) <= _LAID_OUT:
        return output(text, output_format)
    return plain(comparable(text, output_format))


def comparable(text: str, output_format: str) -> str:
    """An output in the form in which it is compared with another one: JSON indented, all else as it is."""
    if output_format != "json":
        return text
    try:
        return Document(text).pretty()
    except ValueError:
        return text


def moment(at: datetime) -> str:
    """A time in the kernel's time zone, such as ``23 Nov 14:05``."""
    local = at.astimezone()
    return f"{local.day} {local:%b %H:%M}"


def time_html(at: datetime) -> str:
    """The same as HTML, with the exact time as its title."""
    local = at.astimezone()
    title = inline(f"{local:%Y-%m-%d %H:%M:%S} {local.tzname()}")
    return f'<time datetime="{local.isoformat()}" title="{title}">{moment(at)}</time>'


def time_of_day(at: datetime, *, now: datetime) -> str:
    """A time to the second in the kernel's time zone, such as ``14:05:10``; with the day if it is not today."""
    local = at.astimezone()
    day = "" if local.date() == now.astimezone().date() else f"{local.day} {local:%b} "
    return f"{day}{local:%H:%M:%S}"


def short_run(run_id: str) -> str:
    """A run id without the fraction of a second that Airflow's generated ones end in."""
    return _FRACTION.sub("", run_id)


def _as_it_is(text: str, why: str) -> str:
    return f'<div class="hitl-meta">This text {why}: it is shown as it is, not as Markdown.</div>{plain(text)}'


def _attribute(tag: str, name: str, value: str) -> str | None:
    """An attribute's value; None drops it."""
    return value if name != "href" or _WHOLE_LINK.match(value) else None


def _image(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    """What an image is said to show, and where it is, in place of the image."""
    token = tokens[index]
    return f"<em>[image: {inline(token.content)}, {inline(str(token.attrs.get('src', '')))}]</em>"


class _TooMuchWorkError(Exception):
    """Laying out a text would take a second and more."""


def _bound(state: StateCore) -> None:
    """Between the parser's two steps, blocks and what is in them: stop where one of them is far too much."""
    inlines = [token.content for token in state.tokens if token.type == "inline"]
    brackets = sum(content.count("[") * min(len(content), _LINK_SEARCH) for content in inlines)
    if len(state.tokens) > _MAX_TOKENS or brackets > _MAX_BRACKETS:
        raise _TooMuchWorkError


_MARKDOWN.core.ruler.after("block", "bound", _bound)
_MARKDOWN.add_render_rule("image", _image)
_MARKDOWN.parse("x")  # it puts its rules in order at the first use, which must not happen in two threads at once


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

"""Markdown as safe HTML: tables, task lists, footnotes, formulas as MathML, highlighted code, images on demand.

What Markdown makes is sanitized. What we make ourselves (formulas, code, images) is put in afterwards, in place of
random words that the text cannot contain.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.footnote import footnote_plugin
from mdit_py_plugins.tasklists import tasklists_plugin
from mdit_py_plugins.texmath import texmath_plugin

from hitl_rendering.code import highlighted
from hitl_rendering.formulas import formula
from hitl_rendering.numeric_columns import align_numbers
from hitl_rendering.plain_text import encodable, inline, plain

MARKDOWN_LIMIT = 50_000
"""Maximum Markdown length in characters; longer texts are shown as plain text, as they block the page."""

_WHOLE_LINK = re.compile("https?://[^/]|mailto:", re.IGNORECASE)
"""An absolute link. A relative one would lead into Airflow or Jupyter, as if it was theirs."""

_MAX_TOKENS = 60_000
"""Maximum tokens after the block parser. A short text can make many: missing table cells are filled in."""

_MAX_SCANNED = 3_000_000
"""Maximum number of opening brackets and dollar signs times the characters that may be scanned for their end."""
_LINK_SEARCH = 500
"""Maximum number of characters; nested brackets end the search."""

_MAX_QUOTED = 250_000
"""Maximum nesting of quotes times lines: each line may continue a quote without its markers (lazy continuation)."""
_MARKS = re.compile(r"^[ \t>*+\-\d.)]+", re.MULTILINE)

_MAX_NESTING = 60

_MAX_HIGHLIGHTED = 20_000
"""Maximum characters of fenced code that is highlighted, all fences of a text together."""

_PARSER = MarkdownIt("commonmark", {"html": False, "breaks": True, "maxNesting": _MAX_NESTING}).enable(
    ["table", "strikethrough"]
)
_PARSER.use(footnote_plugin).use(tasklists_plugin)
_PARSER.use(dollarmath_plugin, allow_labels=False, allow_space=False, allow_digits=False, double_inline=True)
_PARSER.use(texmath_plugin, delimiters="brackets")

# No style and no ids: a text must not imitate part of the panel.
_TAGS = {
    *("a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol"),
    *("p", "pre", "s", "strong", "sup", "table", "tbody", "td", "th", "thead", "tr", "ul"),
}
_ATTRIBUTES = {
    "a": {"href", "title"},
    "li": {"class"},
    "ol": {"class", "start"},
    "td": {"class"},
    "th": {"class"},
}
_CLASSES = {"hitl-number", "hitl-center", "hitl-footnotes", "task-list-item"}


def markdown(text: str) -> str:
    """Render Markdown as HTML without active content; very long Markdown as plain text."""
    if len(text) > MARKDOWN_LIMIT:
        return _as_it_is(text, f"is long ({len(text):,} characters)")
    depth = max((marks.count(">") for marks in _MARKS.findall(text)), default=0)
    try:
        if depth * text.count("\n") > _MAX_QUOTED:
            raise _TooMuchWorkError
        tokens = _PARSER.parse(encodable(text))
    except _TooMuchWorkError:
        return _as_it_is(text, "would take long to lay out")
    if any(token.level >= _MAX_NESTING - 1 for token in tokens):
        return _as_it_is(text, "is very deeply nested")  # the parser drops deeper content
    parts = _Parts()
    html = nh3.clean(
        _PARSER.renderer.render(tokens, _PARSER.options, {"parts": parts}),
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        attribute_filter=_attribute,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
        # Open links neither inside Airflow's frame nor in place of the notebook.
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )
    return f'<div class="hitl-markdown">{parts.put_in(html)}</div>'


class _Parts:
    """HTML of our own that is put into the sanitized HTML, each part in place of a word."""

    def __init__(self) -> None:
        self._word = f"hitl{secrets.token_hex(8)}x"
        self._parts: list[str] = []
        self._highlighted = 0

    def add(self, html: str) -> str:
        """Keep a part; return the word that stands for it."""
        self._parts.append(html)
        return f"{self._word}{len(self._parts) - 1}x"

    def put_in(self, html: str) -> str:
        return re.sub(f"{self._word}(\\d+)x", lambda found: self._parts[int(found[1])], html)

    def may_highlight(self, code: str) -> bool:
        self._highlighted += len(code)
        return self._highlighted <= _MAX_HIGHLIGHTED


def _as_it_is(text: str, why: str) -> str:
    return f'<div class="hitl-meta">This text {why}: it is shown as it is, not as Markdown.</div>{plain(text)}'


def _attribute(tag: str, name: str, value: str) -> str | None:
    """Filter an attribute: return its value, or None to drop it."""
    if name == "class":
        return " ".join(_CLASSES.intersection(value.split())) or None
    return value if name != "href" or _WHOLE_LINK.match(value) else None


class _TooMuchWorkError(Exception):
    """Rendering a text would take a second or more."""


def _bound(state: StateCore) -> None:
    """Stop between block and inline parsing if a text would take far too long."""
    inlines = [token.content for token in state.tokens if token.type == "inline"]
    scanned = sum(
        content.count("[") * min(len(content), _LINK_SEARCH)
        + (content.count("$") + content.count("\\(") + content.count("\\[")) * len(content)
        for content in inlines
    )
    if len(state.tokens) > _MAX_TOKENS or scanned > _MAX_SCANNED:
        raise _TooMuchWorkError


_Rule = Callable[[RendererHTML, Sequence[Token], int, OptionsDict, EnvType], str]


def _rule(make: Callable[[Token, Any], str]) -> _Rule:
    """Render rule that puts in what ``make`` returns for a token; it is given the token and ``_Parts``."""

    def render(
        renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType
    ) -> str:
        return make(tokens[index], env["parts"])

    return render


def _image(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    """Render an image as its alt text, its URL, and a button that loads it.

    Loading an image tells its server that the text is being read, and by whom.
    """
    token = tokens[index]
    source = str(token.attrs.get("src", ""))
    shown = source if len(source) <= 200 else f"{source[:200]}…"
    text = f"<em>[image: {inline(token.content)}, {inline(shown)}]</em>"
    in_link = sum((one.type == "link_open") - (one.type == "link_close") for one in tokens[:index])
    host = _image_host(source)
    if host is None or in_link:
        return text
    label = f"Load images from {host}" if host else "Show this image"
    return str(
        env["parts"].add(
            f'<span class="hitl-image">{text} <button type="button" class="hitl-load" data-host="{inline(host)}" '
            f'data-src="{inline(source)}" data-alt="{inline(token.content)}">{inline(label)}</button></span>'
        )
    )


def _image_host(source: str) -> str | None:
    """Host of an image that can be loaded; empty for one inside the text; None if it cannot be loaded."""
    if re.match(r"data:image/(png|jpeg|gif|webp);base64,[\w+/=]+$", source):
        return ""
    try:
        parts = urlsplit(source)
    except ValueError:
        return None
    return parts.hostname if parts.scheme == "https" else None


def _fence(token: Token, parts: _Parts) -> str:
    language = token.info.split(maxsplit=1)[0] if token.info.strip() else ""
    if not language or not parts.may_highlight(token.content):
        return f"<pre><code>{inline(token.content)}</code></pre>\n"
    return parts.add(highlighted(token.content, language)) + "\n"


def _checkbox(token: Token, parts: _Parts) -> str:
    """The box of a task in a list: the only HTML that there is, as HTML of the text is switched off."""
    state = " checked" if 'checked="checked"' in token.content else ""
    return parts.add(f'<input type="checkbox" disabled{state} aria-label="{"done" if state else "to do"}"> ')


def _formula(*, display: bool) -> Callable[[Token, Any], str]:
    return lambda token, parts: parts.add(formula(token.content, display=display))


_PARSER.core.ruler.after("block", "bound", _bound)
_PARSER.core.ruler.push("align_numbers", align_numbers)
_PARSER.add_render_rule("image", _image)
for _name, _make in {
    "fence": _fence,
    "html_inline": _checkbox,
    "footnote_ref": lambda token, _: f"<sup>[{int(token.meta['id']) + 1}]</sup>",
    "footnote_block_open": lambda *_: '<hr><ol class="hitl-footnotes">',
    "footnote_block_close": lambda *_: "</ol>",
    "footnote_open": lambda *_: "<li>",
    "footnote_close": lambda *_: "</li>",
    "footnote_anchor": lambda *_: "",
    "math_inline": _formula(display=False),
    "math_single": _formula(display=False),
    "math_inline_double": _formula(display=True),
    "math_block": _formula(display=True),
    "math_block_eqno": _formula(display=True),
    "math_block_label": _formula(display=True),
    "table_open": lambda _, parts: (
        parts.add('<div class="hitl-scroll" tabindex="0" role="region" aria-label="Table">') + "<table>"
    ),
    "table_close": lambda _, parts: "</table>" + parts.add("</div>"),
}.items():
    _PARSER.add_render_rule(_name, _rule(_make))
_PARSER.parse("x")  # it compiles its rules at first use, which is not thread-safe

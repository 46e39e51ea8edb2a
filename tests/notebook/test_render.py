from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from html.parser import HTMLParser
from urllib.parse import urlsplit

import pytest

from hitl_notebook import Review, ReviewKey, render
from hitl_notebook.views import conversation_html, head_html, output_html, row_label
from tests.notebook.server import review, stamp, turn

HOSTILE = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "</pre></div><script>alert(1)</script>",
    "<a href='javascript:alert(1)' onclick=alert(1)>x</a>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java&#115;cript:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](vbscript:x)",
    "<javascript:alert(1)>",
    "[r]\n\n[r]: javascript:alert(1)",
    '[x](http://ok.example "t\\" onmouseover=alert(1) x=\\"")',
    "[x](http://ok.example/\"onmouseover='alert(1)')",
    "![x](http://evil.example/pixel.png)",
    "![x](javascript:alert(1))",
    "![r]\n\n[r]: http://evil.example/pixel.png",
    "<style>*{display:none}</style>",
    '<p style="position:fixed;inset:0" class="hitl-approve" id="x">x</p>',
    "<iframe src=//evil.example></iframe>",
    "<form action=//evil.example><input name=p><button>Approve</button></form>",
    "<meta http-equiv=refresh content=0;url=//evil.example>",
    "<base href=//evil.example><link rel=stylesheet href=//evil.example>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "<!--><img src=x onerror=alert(1)>-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    '```js" onclick="alert(1)\n</code></pre><script>alert(1)</script>\n```',
    "`</code><script>alert(1)</script>`",
    "| <script>a</script> |\n|---|\n| <img src=x onerror=b> |",
    "\u202e<script>\u0000\ufeff\u2028</script>\u202c 🎌 ﹤script﹥",
    "&lt;script&gt;alert(1)&lt;/script&gt; &#60;img src=x onerror=alert(1)&#62;",
    "\"'><script>alert(1)</script>",
]

_TEXT_TAGS = frozenset(
    {"a", "blockquote", "br", "code", "del", "em", "hr", "li", "ol", "p", "pre", "s", "strong", "ul"}
) | {
    *(f"h{level}" for level in range(1, 7)),
    *("table", "tbody", "td", "th", "thead", "tr"),
}
_OWN_TAGS = frozenset({"div", "span", "details", "summary", "pre"})


class Parts(HTMLParser):
    """What a browser would make of it: tags, attributes and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.others: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.others.append(data)

    def handle_decl(self, decl: str) -> None:
        self.others.append(decl)

    def handle_pi(self, data: str) -> None:
        self.others.append(data)

    def unknown_decl(self, data: str) -> None:
        self.others.append(data)


def harmless(html: str, *, text_tags: bool = True) -> Parts:
    """Assert that only our own tags and those of plain text are there, with safe attributes."""
    parts = Parts(html)
    assert set(parts.tags) <= _OWN_TAGS | (_TEXT_TAGS if text_tags else set())
    assert parts.others == []
    for tag, name, value in parts.attributes:
        if tag == "a":
            assert name in ("href", "title", "rel")
        elif tag in _OWN_TAGS:
            assert name in ("class", "tabindex")
            assert all(part.startswith("hitl-") or part.isalpha() for part in value.split()) or value == "0"
        else:
            assert (tag, name) == ("ol", "start")
        if name == "href":
            assert urlsplit(value).scheme in ("http", "https", "mailto", "")
        if name == "rel":
            assert value == "noopener noreferrer nofollow"
    return parts


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown(text: str) -> None:
    parts = harmless(render.markdown(text))
    own = [(tag, value) for tag, name, value in parts.attributes if name == "class"]
    assert own == [("div", "hitl-markdown")]
    assert parts.tags.count("div") == 1
    links = [value for _, name, value in parts.attributes if name == "href"]
    assert all("script" not in link.lower() and "data:" not in link for link in links)


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("show", [render.plain, lambda t: render.output(t, "json")])
def test_plain_text_stays_as_it_is(text: str, show: Callable[[str], str]) -> None:
    parts = harmless(show(text), text_tags=False)
    assert parts.tags == ["pre"]
    assert parts.text == text


@pytest.mark.parametrize("text", HOSTILE)
def test_output_as_text_is_markdown(text: str) -> None:
    assert render.output(text, "text") == render.markdown(text)
    assert render.output(text, "unheard-of") == render.markdown(text)


def test_json_is_indented() -> None:
    shown = Parts(render.output('{"a": "<b>ü</b>", "n": [1]}', "json"))
    assert shown.tags == ["pre"]
    assert shown.text == '{\n  "a": "<b>ü</b>",\n  "n": [\n    1\n  ]\n}'


def test_ordinary_markdown() -> None:
    text = "# T\n\n**b** ~~s~~ [l](https://ok.example 'x')\nnext\n\n3. c\n\n| h |\n|---|\n| d |\n\n```py\nx<1\n```"
    parts = harmless(render.markdown(text))
    assert {"h1", "strong", "s", "a", "br", "ol", "li", "table", "th", "td", "pre", "code"} <= set(parts.tags)
    assert ("a", "href", "https://ok.example") in parts.attributes
    assert ("ol", "start", "3") in parts.attributes
    assert "x<1" in parts.text


def test_html_in_markdown_is_shown_as_text() -> None:
    parts = harmless(render.markdown("a <b>x</b>\n\n<div onclick=y>z</div>"))
    assert "a <b>x</b>" in parts.text
    assert "<div onclick=y>z</div>" in parts.text
    assert parts.tags == ["div", "p", "p"]


def test_very_long_text_is_plain() -> None:
    text = "<b>" * (render.MARKDOWN_LIMIT // 3 + 1)
    assert render.markdown(text) == render.plain(text)


def test_moment_is_in_local_time() -> None:
    at = datetime(2030, 11, 3, 14, 5, tzinfo=timezone.utc)
    assert render.moment(at) == f"{at.astimezone().day} {at.astimezone():%b %H:%M}"


def hostile_review(text: str) -> Review:
    user = {"id": text, "name": text}
    return review(
        ReviewKey(text, text, text),
        prompt=text,
        status=text,
        iteration=2,
        current_output=text,
        decided_by=user,
        decided_at=stamp(1),
        last_error=text,
        conversation=[
            turn("output", text, 1),
            turn("feedback", text, 1, user),
            turn("error", text, 1),
            turn("output", text, 2),
        ],
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_views_show_foreign_text_as_text(text: str) -> None:
    shown = hostile_review(text)
    head = harmless(head_html(shown), text_tags=False)
    assert head.text.count(text) >= 6  # dag, task, run, status, user, prompt
    conversation = harmless(conversation_html(shown))
    assert conversation.text.count(text) >= 3  # user, feedback, error
    assert conversation.tags.count("details") == 1
    assert harmless(output_html(shown)).tags.count("details") == 0


@pytest.mark.parametrize("text", [text for text in HOSTILE if "\n" not in text])
def test_rows_of_the_list_are_data(text: str) -> None:
    # The front end puts labels in as text; so they must not be escaped a second time.
    label = row_label(hostile_review(text))
    assert isinstance(label, str)
    assert text in label

"""Hostile texts, and what a browser would make of them."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime
from html.parser import HTMLParser
from urllib.parse import urlsplit

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
    "</ins></del></span></details></div><script>alert(1)</script>",
    "</bdi></time></summary><img src=x onerror=alert(1)>",
    '{"<img src=x onerror=alert(1)>": "</li></ul><script>alert(1)</script>"}',
    "\u202egnp.exe\u2066</bdi>\u2069<script>alert(1)</script>",
]

_TEXT_TAGS = frozenset(
    {"a", "blockquote", "br", "code", "del", "em", "hr", "li", "ol", "p", "pre", "s", "strong", "ul"}
) | {
    *(f"h{level}" for level in range(1, 7)),
    *("table", "tbody", "td", "th", "thead", "tr"),
}
_OWN_TAGS = frozenset(
    {"bdi", "button", "del", "details", "div", "ins", "label", "option", "pre", "select", "span", "summary"}
) | {
    *("template", "time"),
}
_MATH_TAGS = frozenset({"math", "mfrac", "mi", "mn", "mo", "mrow", "msub", "msubsup", "msup", "mtext"})
_MATH_ATTRIBUTES = {
    "fence",
    "form",
    "height",
    "linethickness",
    "lspace",
    "mathvariant",
    "rspace",
    "stretchy",
    "width",
}
_OWN_LABEL = re.compile(
    r"Current output|Output \d+( as edited| as the task made it)?|Changes by hand to output \d+"
    r"|Changes (from (the edit of )?output \d+ to output \d+|since (the edit of )?output \d+)|Table|Before|After"
)
_FOREIGN = {"data-task", "data-alt", "data-host"}
"""Attributes that hold text of others; a browser does nothing with them."""
_OWN = {
    "data-choice": re.compile("display_as|changes"),
    "data-chosen": re.compile("[a-z:+-]*"),
    "data-digits": re.compile(r"\d"),
    "data-display": re.compile("[a-z:]+"),
    "data-fold": re.compile(r"[a-z]+(-edit)?-\d+"),
    "data-line": re.compile(r"\d+"),
    "data-rows": re.compile(r"\d+"),
    "data-src": re.compile(r"https://.*|data:image/(png|gif|jpeg|webp);base64,[\w+/=]*", re.DOTALL),
    "display": re.compile("block|inline"),
    "scope": re.compile("row|col"),
    "title": re.compile("[A-Z][a-z ]+[(][a-z][)]"),
    "type": re.compile("button|checkbox"),
    "value": re.compile("[a-z:+-]*"),
}


class Parts(HTMLParser):
    """HTML as a browser would parse it: tags, attributes and text."""

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


def is_own(name: str, value: str) -> bool:
    """Whether it is an attribute of our own elements, without foreign content."""
    if name == "aria-label":
        return _OWN_LABEL.fullmatch(value) is not None
    if name == "class":
        return all(
            part.startswith(("hitl-", "is-", "for-")) or part == "task-list-item" or part.isalpha()
            for part in value.split()
        )
    if name in _OWN:
        return _OWN[name].fullmatch(value) is not None
    if name in _MATH_ATTRIBUTES:
        return re.fullmatch(r"[\w.%-]*", value) is not None
    return name in _FOREIGN or (name, value) in {
        *(("tabindex", "0"), ("role", "region"), ("role", "group")),
        *((one, "") for one in ("open", "hidden", "selected")),
    }


def harmless(html: str, *, text_tags: bool = True, also: Collection[str] = ()) -> Parts:
    """Assert that there are only our own tags and those of plain text, with safe attributes."""
    parts = Parts(html)
    assert set(parts.tags) <= _OWN_TAGS | set(also) | (
        _TEXT_TAGS | _MATH_TAGS | {"input", "sup"} if text_tags else set()
    )
    assert parts.others == []
    for tag, name, value in parts.attributes:
        if tag == "a":
            assert name in ("href", "title", "rel", "target")
        elif tag == "time":
            assert name in ("datetime", "title")
            datetime.fromisoformat(value[:19])
        elif tag == "input":
            assert (name, value) in {
                ("type", "checkbox"),
                ("checked", ""),
                ("disabled", ""),
                ("aria-label", "done"),
                ("aria-label", "to do"),
            }
        elif tag in _OWN_TAGS | _MATH_TAGS or name in ("class", "scope"):
            assert is_own(name, value), (tag, name, value)
        else:
            assert (tag, name) == ("ol", "start")
        if name == "href":
            assert urlsplit(value).scheme in ("http", "https", "mailto")
        if name == "target":
            assert value == "_blank"
        if name == "rel":
            assert value == "noopener noreferrer nofollow"
    return parts

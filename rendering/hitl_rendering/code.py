"""Source code as HTML: highlighted by Pygments, with line numbers that are not copied."""

from __future__ import annotations

from collections.abc import Iterator

from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.token import Token, _TokenType

from hitl_rendering.plain_text import inline

LANGUAGES = {
    "bash": "Shell", "c": "C", "cpp": "C++", "csharp": "C#", "css": "CSS", "diff": "Diff", "docker": "Dockerfile",
    "go": "Go", "graphql": "GraphQL", "html": "HTML", "ini": "INI", "java": "Java", "javascript": "JavaScript",
    "json": "JSON", "kotlin": "Kotlin", "latex": "LaTeX", "makefile": "Makefile", "php": "PHP",
    "powershell": "PowerShell", "python": "Python", "r": "R", "ruby": "Ruby", "rust": "Rust", "scala": "Scala",
    "sql": "SQL", "swift": "Swift", "terraform": "Terraform", "toml": "TOML", "typescript": "TypeScript",
    "xml": "XML", "yaml": "YAML",
}  # fmt: skip
"""Languages that are highlighted, by Pygments' name, with their usual one.

Others are shown without colours: some of Pygments' lexers take very long for hostile text."""

_ALIASES = {
    "sh": "bash", "shell": "bash", "zsh": "bash", "console": "bash", "c++": "cpp", "c#": "csharp", "cs": "csharp",
    "dockerfile": "docker", "golang": "go", "htm": "html", "cfg": "ini", "js": "javascript", "jsx": "javascript",
    "json5": "json", "jsonc": "json", "kt": "kotlin", "tex": "latex", "make": "makefile", "ps1": "powershell",
    "py": "python", "python3": "python", "py3": "python", "rb": "ruby", "rs": "rust", "postgresql": "sql",
    "mysql": "sql", "sqlite": "sql", "hcl": "terraform", "tf": "terraform", "ts": "typescript", "tsx": "typescript",
    "yml": "yaml", "patch": "diff",
}  # fmt: skip

_MAX_HIGHLIGHTED = 60_000
"""Maximum characters that are highlighted; Pygments takes some 2 ms for 1,000."""
_MAX_LINE = 5_000
"""Maximum characters of a line in it."""
_CHUNK_LINES = 200
"""Lines in a block that a browser lays out only when it is visible."""

_KINDS: dict[_TokenType, str] = {
    Token.Comment: "comment",
    Token.Keyword: "keyword",
    Token.Operator.Word: "keyword",
    Token.Literal.String: "string",
    Token.Literal.Number: "number",
    Token.Name.Function: "name",
    Token.Name.Class: "name",
    Token.Name.Decorator: "name",
    Token.Name.Tag: "keyword",
    Token.Name.Attribute: "name",
    Token.Name.Builtin: "builtin",
    Token.Generic.Deleted: "deleted",
    Token.Generic.Inserted: "inserted",
    Token.Generic.Heading: "name",
    Token.Generic.Subheading: "name",
}


def language_of(name: str) -> str | None:
    """Pygments' name of a language that is highlighted, by that or another usual name; None for others."""
    name = _ALIASES.get(name.lower(), name.lower())
    return name if name in LANGUAGES else None


def code(text: str, language: str = "") -> str:
    """Render code with line numbers.

    Args:
        text: the code. Long code is shown without colours.
        language: as in ``LANGUAGES``, or another usual name; without colours if it is unknown.
    """
    lines = _lines(text, language)
    shown = [f'<span class="hitl-line" data-line="{number}">{line}</span>' for number, line in enumerate(lines, 1)]
    blocks = [
        f'<div class="hitl-chunk">{"".join(shown[start : start + _CHUNK_LINES])}</div>'
        for start in range(0, len(shown), _CHUNK_LINES)
    ]
    digits = len(str(text.count("\n") + 1))
    return f'<div class="hitl-code" data-digits="{min(digits, 6)}">{"".join(blocks)}</div>'


def highlighted(text: str, language: str) -> str:
    """Render code without line numbers, as for a part of a text."""
    return f'<pre class="hitl-code"><code>{"".join(_lines(text, language))}</code></pre>'


def _lines(text: str, language: str) -> Iterator[str]:
    """Lines of highlighted HTML, each with its line break."""
    lexer = _lexer(language)
    if lexer is None or len(text) > _MAX_HIGHLIGHTED or max(map(len, text.split("\n"))) > _MAX_LINE:
        yield from map(inline, _split(text))
        return
    parts: list[str] = []
    for kind, piece in lexer.get_tokens(text):
        css = _css(kind)
        for line in _split(piece):
            parts.append(
                f'<span class="hitl-token-{css}">{inline(line)}</span>' if css and line.strip() else inline(line)
            )
            if line.endswith("\n"):
                yield "".join(parts)
                parts = []
    if parts:
        yield "".join(parts)


def _split(text: str) -> Iterator[str]:
    """Lines with their line breaks; other characters that Python takes for line breaks stay in their lines."""
    *lines, last = text.split("\n")
    yield from (f"{line}\n" for line in lines)
    if last:
        yield last


def _lexer(language: str) -> Lexer | None:
    known = language_of(language)
    if known is None:
        return None
    return get_lexer_by_name(known, stripnl=False, ensurenl=False)


def _css(kind: _TokenType | None) -> str:
    while kind is not None:
        if kind in _KINDS:
            return _KINDS[kind]
        kind = kind.parent
    return ""

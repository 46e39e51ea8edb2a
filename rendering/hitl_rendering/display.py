"""How an output is shown: what its author said, else what it looks like. Decides only; ``render`` shows it."""

from __future__ import annotations

import re

from hitl_rendering.code import LANGUAGES, language_of
from hitl_rendering.json_tree import Document
from hitl_rendering.kept import kept
from hitl_rendering.records import Records

KINDS = ("markdown", "code", "json", "table", "text")
"""Kinds of views. ``code`` can be followed by a language, such as ``code:python``."""

_LONGEST = 20_000
"""Characters that are looked at; the start of a longer text tells what it is."""

_ONE_FENCE = re.compile(r"\s*(`{3,}|~{3,})[ \t]*([\w+#.-]*)[^\n`]*\n(.*?)\n?\1\s*", re.DOTALL)

_MARKDOWN_SIGNS = re.compile(
    r"""
    ^\#{1,6}[ ]\S | ^[ ]{0,3}[-*+][ ]\S | ^[ ]{0,3}\d{1,3}[.)][ ]\S | ^[ ]{0,3}(```|~~~) | ^[ ]{0,3}>[ ]
    | ^\|?([ ]*:?-{2,}:?[ ]*\|)+([ ]*:?-{2,}:?[ ]*)?\|?[ ]*$ | \[[^\]\n]+\]\([^)\s]+\) | \*\*[^\s*][^*\n]*\*\*
    | (?<![\w`])`[^`\n]+`(?!\w) | (?<!\w)\$\$?[^$\s][^$\n]*\$ | \\\( | \\\[ | ^[ ]{0,3}(---|\*\*\*|___)[ ]*$
    """,
    re.MULTILINE | re.VERBOSE,
)
"""What Markdown is recognized by."""

_LAYOUT = re.compile(r"^(?: {2,}|\t)\S|\S {3,}\S|\t|[<>]\w|\w_{1,2}\w|__\w|(?:^|\s)\*\w|\\\w", re.MULTILINE)
"""What Markdown would lose of a text that is none: indentation, columns, underscores, tags."""

_SQL = re.compile(
    r"\s*(--[^\n]*\n\s*)*(?:select\b.*\bfrom\b|with\b[^;]*\bas\s*\(|insert\s+into\b|update\b[^;]*\bset\b"
    r"|delete\s+from\b|create\s+(or\s+replace\s+)?(temp(orary)?\s+)?(table|view|index|schema|function|materialized)\b"
    r"|alter\s+table\b|drop\s+(table|view)\b|merge\s+into\b|select\s+[\d'\"*(])",
    re.IGNORECASE | re.DOTALL,
)
_PROSE_END = re.compile(r"[a-z]{2}[.!?]\s*$", re.MULTILINE)

_PYTHON_LINE = re.compile(
    r"^\s*(def \w+\(.*|class \w+.*:|import [\w.]+.*|from [\w.]+ import .*|@[\w.]+.*|return\b.*"
    r"|(if|for|while|with|try|elif|else|except|finally)\b.*:|async def .*|[\w.\[\]][\w.\[\], ]* = .+"
    r"|raise \w+.*|print\(.*|\"\"\".*)$"
)
_PYTHON_SURE = re.compile(
    r"^(async )?def \w+\(.*|^class \w+.*:\s*$|^from [\w.]+ import \w+|^import [\w.]+( as \w+)?$", re.MULTILINE
)

_DOCSTRING = re.compile(r'"""[^"]*"""')

_STARTS: tuple[tuple[str, str, str], ...] = (
    (r"#!.*\b(ba|z)?sh\b", "", "bash"),
    (r"#!.*\bpython", "", "python"),
    (r"#!.*\bnode\b", "", "javascript"),
    (r"(?i)<(!doctype html|html[\s>])", "", "html"),
    (r"<\?xml\b", "", "xml"),
    (r"diff --git |--- \S[^\n]*\n\+\+\+ \S", "", "diff"),
    (r"(#[^\n]*\n)*FROM [\w./:-]+", r"^(RUN|CMD|COPY|ENTRYPOINT|WORKDIR)\b", "docker"),
    (r"(//[^\n]*\n)*package \w+;?[ ]*\n", r"^(import|func|type|var|const)\b", "go"),
    (r"(//[^\n]*\n)*package [\w.]+;[ ]*\n", r"^(public )?(class|interface|enum)\b", "java"),
    (r"(//[^\n]*\n)*#include\s*[<\"]", "", "cpp"),
    (r"(resource|provider|variable|module|data|terraform)( \"[^\"\n]*\")*[ ]*\{", "", "terraform"),
)
"""How a text in a language starts, what else it then has, and the language."""
_BRACES = re.compile(r"[;{}]\s*$|^\s*(//|/\*|\*)|^\s*[})\]]+[;,]?\s*$|=>\s*\{?\s*$")
_LANGUAGE_SIGNS: tuple[tuple[str, str], ...] = (
    (r"\b(interface|type) \w+ (=|\{)|: (string|number|boolean)\b|import type\b", "typescript"),
    (r"\b(const|let|var) \w+\s*=|=>|\bfunction\b|\bconsole\.", "javascript"),
    (r"\bfn \w+|\blet mut\b|\bimpl\b|::new\(", "rust"),
    (r"\bfunc \w+\(|:=", "go"),
    (r"\busing System|\bnamespace \w+", "csharp"),
    (r"\bpublic (static |final )*(class|void|interface)\b|\bSystem\.out\b", "java"),
    (r"\bstd::|\btemplate\s*<", "cpp"),
    (r"<\?php|\$\w+\s*=", "php"),
    (r"^[.#]?[\w-]+[^{}\n;=()]*\{\s*$", "css"),
    (r"\bint main\(|\bprintf\(|\bvoid\b", "c"),
)
_YAML_LINE = re.compile(r"^\s*(- )?[\w./-]+:(\s|$)|^\s*- \S|^\s*#|^---\s*$|^\s{2,}\S")
_YAML_NESTED = re.compile(r"^[\w./-]+:\s*$\n^\s+(- )?\S", re.MULTILINE)
_TOML = re.compile(r"^\[\[?[\w.\"-]+\]\]?\s*$", re.MULTILINE)
_TOML_LINE = re.compile(r"^\s*(\[\[?[^\]]+\]\]?|[\w.\"-]+\s*=\s*.+|[#;].*)\s*$")


def display_of(text: str, output_format: str, display_as: str | None = None) -> str:
    """How to show a text: one of ``KINDS``, code with its language if that is known.

    Args:
        text: the output.
        output_format: ``"json"`` or ``"text"``.
        display_as: what somebody chose; a kind that the text does not have counts as not chosen.
    """
    if display_as:
        display_as = "code:html" if display_as == "html" else display_as
        kind, _, language = display_as.partition(":")
        if kind == "code" and not language:
            found = _looks(text, output_format)
            return found if found.startswith("code") else "code"
        if kind in ("markdown", "text", "code") or (kind in ("json", "table") and kind in choices(text)):
            return display_as
    return _looks(text, output_format)


def choices(text: str) -> tuple[str, ...]:
    """Kinds in which a text can be shown."""
    kinds = ["markdown", "code", "text"]
    if text.lstrip()[:1] in ("[", "{") and _is_json(text):
        kinds.insert(2, "json")
        if _records(text) is not None:
            kinds.insert(3, "table")
    return tuple(kinds)


def in_words(display: str) -> str:
    """A kind as reviewers read it, such as ``Python`` or ``Markdown``."""
    kind, _, language = display.partition(":")
    if kind == "code":
        return LANGUAGES.get(language_of(language) or "", "Code")
    return {"markdown": "Markdown", "json": "JSON", "table": "Table", "text": "Plain text"}.get(kind, kind)


def unfenced(text: str) -> str:
    """The code of a text that is one fenced block; any other text unchanged."""
    found = _ONE_FENCE.fullmatch(text)
    return found[3] if found and found[1] not in found[3] else text


@kept(most_bytes=20_000_000)
def _looks(text: str, output_format: str) -> str:
    if output_format == "json" or (text.lstrip()[:1] in ("[", "{") and len(text) > 2 and _is_json(text)):
        records = _records(text)
        return "table" if records is not None and records.is_flat and len(text) > 2 else "json"
    start = text[:_LONGEST]
    if (found := _ONE_FENCE.fullmatch(start)) and found[1] not in found[3]:
        language = language_of(found[2])
        if language is not None:
            return f"code:{language}"
        return "markdown" if found[2].lower() in ("markdown", "md") else "code"
    language = _code_language(start)
    if language is not None:
        return f"code:{language}" if language else "code"
    if _MARKDOWN_SIGNS.search(start):
        return "markdown"
    return "text" if _LAYOUT.search(start) else "markdown"


def _code_language(text: str) -> str | None:
    """Language of a text that is code; empty if only that is known; None if it is none."""
    text = text.lstrip()
    for start, also, language in _STARTS:
        if re.match(start, text) and re.search(also, text, re.MULTILINE):
            return language
    if _is_python(text):
        return "python"
    if _SQL.match(text) and not _PROSE_END.search(text):
        return "sql"
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) < 3 or any(line.startswith(("```", "~~~")) for line in lines):
        return None
    if sum(bool(_BRACES.search(line)) for line in lines) >= 0.5 * len(lines):
        return next((name for sign, name in _LANGUAGE_SIGNS if re.search(sign, text, re.MULTILINE)), "")
    if _TOML.search(text) and all(_TOML_LINE.match(line) for line in lines):
        return "toml"
    if (lines[0].startswith("---") or _YAML_NESTED.search(text)) and all(map(_YAML_LINE.match, lines)):
        return "yaml"
    return None


def _is_python(text: str) -> bool:
    """By its lines: whoever parses the text of others with Python's parser can be made to crash."""
    lines = _DOCSTRING.sub('""', text).splitlines()
    lines = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if len(lines) < 2:
        return False
    certain = 0.6 if _PYTHON_SURE.search(text) else 0.9
    likely = sum(line[0] in " \t)]}" or bool(_PYTHON_LINE.match(line)) for line in lines)
    return likely >= certain * len(lines) and not re.search(r"^(```|~~~)", text, re.MULTILINE)


def _is_json(text: str) -> bool:
    try:
        Document(text)
    except ValueError:
        return False
    return True


def _records(text: str) -> Records | None:
    try:
        return Records(text)
    except ValueError:
        return None

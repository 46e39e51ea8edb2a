"""Text for Slack: escaping, cutting, and a light conversion of Markdown to its mrkdwn."""

from __future__ import annotations

import re
from collections.abc import Iterator

# Bounded, so it cannot be made slow: no part matches beyond its end mark or this many characters.
_SPAN = re.compile(
    r"`(?P<code>[^`\n]{1,1000})`"
    r"|!?\[(?P<label>[^\[\]\n]{1,500})\]\((?P<url>https?://[^\s<>()|]{1,1500})\)"
    r"|\*\*(?P<bold>[^*\n]{1,1000})\*\*"
    r"|\*(?P<italic>[^*\s](?:[^*\n]{0,1000}[^*\s])?)\*"
)


def escape(text: str) -> str:
    """Escape Slack's three control characters, so that no mention, link or command remains."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def size(text: str) -> int:
    """Return the number of UTF-8 bytes."""
    return len(text.encode("utf-8", "replace"))


def cut(text: str, limit: int) -> str:
    """Truncate escaped ``text`` to ``limit`` bytes, without splitting an entity or a link."""
    if size(text) <= limit:
        return text
    more = "…"
    kept = text.encode("utf-8", "replace")[: limit - size(more)].decode("utf-8", "ignore")
    link, entity = kept.rfind("<"), kept.rfind("&")
    if link > kept.rfind(">"):
        kept = kept[:link]
    elif entity > kept.rfind(";"):
        kept = kept[:entity]
    return kept + more


def quoted(text: str) -> str:
    """Return plain ``text`` (not Markdown) as a block quote."""
    return "\n".join(f"> {_inline(line)}" for line in text.strip().split("\n")) if text.strip() else ""


def mrkdwn(markdown: str, limit: int) -> str:
    """Convert Markdown roughly to Slack's mrkdwn; syntax without an equivalent is kept as it is.

    Stops at the line at which the result exceeds ``limit`` bytes, because it is truncated there anyway.
    """
    out: list[str] = []
    length = -1
    for line in _mrkdwn_lines(markdown.strip().split("\n")):
        out.append(line)
        length += len(line) + 1
        if length > limit:
            break
    return "\n".join(out)


def _mrkdwn_lines(lines: list[str]) -> Iterator[str]:
    fence = ""  # closing fence of the current code block
    in_table = False
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        bare = line.strip()
        if fence:
            ends = bare.startswith(fence) and not bare.strip(fence[0])
            yield "```" if ends else _code(line)
            fence = "" if ends else fence
            continue
        was_in_table, in_table = in_table, "|" in line and (in_table or _is_rule(following))
        if in_table != was_in_table:
            yield "```"
        if in_table:
            yield _code(line)
            continue
        fence = _fence(bare)
        yield "```" if fence else _line(line, bare)
    if fence or in_table:
        yield "```"


def _fence(bare: str) -> str:
    start = re.match(r"`{3,}|~{3,}", bare)
    if start is None or "`" in bare[start.end() :]:
        return ""
    return start.group()


def _is_rule(line: str) -> bool:
    """Whether the line is a table's delimiter row, like ``|---|:-:|``."""
    return "|" in line and "-" in line and not line.strip("|:- \t")


def _code(line: str) -> str:
    return escape(line).replace("``", "`\u200b`")  # three backticks would end the block


def _line(line: str, bare: str) -> str:
    hashes = len(bare) - len(bare.lstrip("#"))
    title = bare[hashes:].strip().replace("*", "")
    if 0 < hashes <= 6 and bare[hashes : hashes + 1].isspace() and title:
        return f"*{_inline(title)}*"
    if bare.startswith(">"):
        return f"> {_inline(bare[1:].strip())}"
    if bare.startswith(("- ", "* ", "+ ")):
        return line[: len(line) - len(line.lstrip())] + "• " + _inline(bare[2:])
    return _inline(line)


def _inline(text: str) -> str:
    out: list[str] = []
    text = re.sub(r"`{3,}", "`", text)
    end = 0
    for span in _SPAN.finditer(text):
        out.append(escape(text[end : span.start()]))
        out.append(_span(span))
        end = span.end()
    return "".join(out) + escape(text[end:])


def _span(span: re.Match[str]) -> str:
    kind, content = span.lastgroup, span[span.lastgroup or 0]
    if kind == "code":
        return f"`{escape(content)}`"
    if kind == "bold":
        return f"*{_inline(content)}*"
    if kind == "italic":
        return f"_{_inline(content)}_"
    label = escape(span["label"].replace("|", "/")).strip()
    return f"<{escape(content)}|{label}>" if label else f"<{escape(content)}>"

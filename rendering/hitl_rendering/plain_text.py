"""Plain text as HTML: escaped, and split into blocks that a browser renders only when visible."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

_CHUNK_LINES = 200
_CHUNK_CHARS = 20_000


def plain(text: str) -> str:
    """Render plain text. Long text is split into blocks, only between lines, so that copying preserves it."""
    if len(text) <= _CHUNK_CHARS and text.count("\n") <= _CHUNK_LINES:
        first = "\n" if text.startswith("\n") else ""  # the first line break in a <pre> does not count
        return f'<pre class="hitl-plain">{first}{inline(text)}</pre>'
    blocks = "".join(f'<div class="hitl-chunk">{inline(chunk)}</div>' for chunk in _chunks(text))
    return f'<div class="hitl-plain">{blocks}</div>'


def inline(text: str, *, limit: int | None = None) -> str:
    """Escape text for use inline or in an attribute; truncated after ``limit`` characters."""
    if limit is not None and len(text) > limit:
        text = text[:limit] + "…"
    return escape(encodable(text))


def isolated(text: str) -> str:
    """Escape a name or an id; bidirectional control characters in it do not affect other text."""
    return f"<bdi>{inline(text)}</bdi>"


def encodable(text: str) -> str:
    """Replace lone surrogates: JSON can contain them, a message to the front end cannot."""
    return text.encode("utf-8", "replace").decode()


def _chunks(text: str) -> Iterator[str]:
    """Split text into blocks of lines; a line longer than a block is a block of its own."""
    chunk: list[str] = []
    size = 0
    for line in text.split("\n"):
        if chunk and (len(chunk) >= _CHUNK_LINES or size + len(line) > _CHUNK_CHARS):
            yield "\n".join(chunk) + "\n"
            chunk, size = [], 0
        chunk.append(line)
        size += len(line) + 1
    yield "\n".join(chunk)

"""What a reviewer asks for, as the demo's agents read it."""

from __future__ import annotations


def own_words(feedback: str) -> str:
    """The feedback without the passages that it quotes."""
    return "\n".join(line for line in feedback.splitlines() if not line.startswith(">")).strip()

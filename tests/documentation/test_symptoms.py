"""The messages in ``docs/troubleshooting.md`` match the code word for word, except for filled-in values."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.documentation.pages import ROOT, read

PACKAGES = ("hitl_notebook", "plugin", "rendering", "webhooks")
GAP = "…"
NO_MESSAGES = {"…", "… must be …", "… takes …"}
"""Patterns that match many messages."""


def messages_in(path: Path) -> Iterator[str]:
    """All strings of a module, with a gap for each filled-in value."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield re.sub(r"%[+#0-9.]*[a-z]", GAP, node.value)
        elif isinstance(node, ast.JoinedStr):
            yield "".join(part.value if _is_text(part) else GAP for part in node.values)  # type: ignore[attr-defined]


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def symptoms() -> list[str]:
    """Text set as code in the first column of the page's symptom tables."""
    page = read("troubleshooting.md").partition("## All errors by name")[0]
    cells = re.findall(r"^\| (.*?) \| ", page, re.MULTILINE)
    found = [text for cell in cells for text in re.findall(r"`([^`]+)`", cell)]
    return [text for text in found if " " in text and text not in NO_MESSAGES]


def pattern_of(symptom: str) -> re.Pattern[str]:
    """Pattern for messages in the code: a gap in the page matches a gap, text, or the end."""
    return re.compile(".*".join(re.escape(part) for part in symptom.split(GAP)), re.DOTALL)


def test_documented_messages_exist_in_the_code() -> None:
    known = {text for package in PACKAGES for path in (ROOT / package).rglob("*.py") for text in messages_in(path)}
    listed = symptoms()
    assert len(listed) > 60
    missing = [text for text in listed if not any(pattern_of(text).search(message) for message in known)]
    assert not missing

"""An untrusted output within our own Markdown, as Airflow's UI renders it."""

from __future__ import annotations

import re
import time

import pytest
from markdown_it import MarkdownIt

from demo.processes import PATIENCE
from hitl_rendering.quoted import quoted

LIMIT = 8_000


def of(text: str, output_format: str = "text") -> str:
    return quoted(text, output_format, LIMIT)[0]


def top_level(markdown: str) -> list[str]:
    """The kinds of the blocks in a body that has our own words before and after the output."""
    tokens = (
        MarkdownIt("commonmark", {"html": True, "maxNesting": 200})
        .enable(["table", "strikethrough"])
        .parse(f"before\n\n{markdown}\n\nafter")
    )
    return [token.type for token in tokens if token.level == 0 and token.nesting >= 0]


def visible(markdown: str) -> str:
    """The text of a quotation that has no marks."""
    tokens = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(markdown)
    assert {t.type for t in tokens} == {
        *("blockquote_open", "paragraph_open", "inline", "paragraph_close", "blockquote_close")
    }
    lines = [list(t.children or ()) for t in tokens if t.type == "inline"]
    assert {child.type for line in lines for child in line} <= {"text", "text_special", "hardbreak", "softbreak"}
    return "\n".join("".join("\n" if c.type == "hardbreak" else c.content for c in line) for line in lines)


def test_harmless_markdown_is_quoted_with_its_line_breaks() -> None:
    text = "# Report\r\n\r\nfirst *line*\rsecond\n- a [link](https://example.com)\n\n```python\nx = 1\n```"
    shown = of(text)
    assert all(line.startswith(">") for line in shown.splitlines())
    assert "> first *line*  \n> second  \n" in shown
    assert top_level(shown) == ["paragraph_open", "blockquote_open", "paragraph_open"]


@pytest.mark.parametrize(
    "text",
    [
        "![pixel](https://example.com/p.png)",
        "![pixel][p]\n\n[p]: https://example.com/p.png",
        "[Open the review]: https://example.com",
        "note[^1]\n\n[^1]: Our own words.",
        "shown <b>bold</b>",
        "<!-- hidden -->",
        "a <img src=https://example.com/p.png> b",
        "[Approve](/dags/other)",
        "[Approve](//example.com)",
        "[Approve](javascript:alert(1))",
        "```\ntwo\nlines\n```",
        "text\n\n    indented\n    code",
        ">" * 100 + " deep",
        "- " * 100 + "deep",
        "[" * 5_000,
    ],
)
def test_what_would_be_rendered_otherwise_is_shown_as_it_is_written(text: str) -> None:
    shown = of(text)
    if max(map(len, text.splitlines())) <= 100:
        assert text in shown
        assert top_level(shown) == ["paragraph_open", "fence", "paragraph_open"]
    # A line of a fence is not wrapped: with longer ones, no character is a mark.
    wide = f"{text}\n\n  {'words ' * 20}\nend\\"
    written = re.sub("(?m)^ +", lambda indent: "\xa0" * len(indent[0]), wide)
    assert visible(of(wide)) == re.sub(" *\n+", "\n", written)
    assert top_level(of(wide)) == ["paragraph_open", "blockquote_open", "paragraph_open"]


@pytest.mark.parametrize("text", ["```\n", "~~~", "````text\n```\n", "a ``` b `````` c <b>", "`" * 8_000])
@pytest.mark.parametrize("output_format", ["text", "json"])
def test_text_cannot_leave_its_fence(text: str, output_format: str) -> None:
    assert top_level(of(text, output_format))[1:] in (
        ["fence", "paragraph_open"],
        ["blockquote_open", "paragraph_open"],
    )


def test_json_is_indented_and_keeps_its_numbers() -> None:
    shown = of('{"a": [1.0, 12345678901234567890], "b": "```"}', "json")
    assert shown.startswith('````json\n{\n  "a": [\n    1.0,\n    12345678901234567890\n')
    assert shown.endswith("\n````")


def test_long_output_is_cut() -> None:
    shown, length = quoted("long " * 5_000, "text", LIMIT)
    assert length == 25_000
    assert LIMIT <= len(shown) < LIMIT + 100
    assert quoted("[" * 1_000_000, "json", LIMIT)[1] == 1_000_000


@pytest.mark.parametrize(
    "sign", ["[", "*", "_a", "`", "> ", "- ", "|", "<", "[a](", "\\", "&amp;", "# ", "~", "*a **b ", "\n>", "`` ` "]
)
def test_hostile_text_costs_no_time(sign: str) -> None:
    """It is rendered in the transaction that stores the output."""
    start = time.monotonic()
    shown = of(sign * LIMIT)
    assert time.monotonic() - start < 1 * PATIENCE
    assert re.match("```+text\n|>", shown)

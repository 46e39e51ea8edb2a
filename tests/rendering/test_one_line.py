"""Titles and excerpts: on one line, without Markdown's marks."""

from __future__ import annotations

import pytest

from hitl_rendering.one_line import EXCERPT_LENGTH, TITLE_LENGTH, excerpt_of, title_of


@pytest.mark.parametrize(
    ("prompt", "title"),
    [
        ("", ""),
        (" \n\t\n---\n", ""),
        ("\n\n# **Summarize** the `q3_2026` report\nIn five lines.", "Summarize the q3_2026 report"),
        ("> 1. Quote *this*", "1. Quote this"),
        ("- [ ] Read [the page](https://example.com/a_b) and ![a picture](x.png)", "Read the page and a picture"),
        ("snake_case_name and 2 * 3 * 4, __all__ kept: \\*so\\*", "snake_case_name and 2 * 3 * 4, all kept: *so*"),
        ("```python\n# a comment\n```", "# a comment"),
        ("| Region | Revenue |\n|---|--:|\n| North | 3 |", "Region Revenue"),
        ("\u202eabc\x1b[31m \x00", "abc [31m"),
        ("word " * 60, "word " * 23 + "word…"),
        ("x" * 500, "x" * (TITLE_LENGTH - 1) + "…"),
    ],
)
def test_title_is_the_first_line_with_words(prompt: str, title: str) -> None:
    assert title_of(prompt) == title
    assert len(title) <= TITLE_LENGTH


@pytest.mark.parametrize(
    ("output", "excerpt"),
    [
        ("", ""),
        (" \r\n\t\x85\u2028\x00\x7f", ""),
        ("a\x00b\x1fc\x9fd", "a b c d"),
        ("x" * 1_000_000, "x" * EXCERPT_LENGTH),
        ("a " * 1_000, ("a " * 100).rstrip()),
        ("\u202eabc", "abc"),
        (" \n" * 5_000 + "late", "late"),
        ("Report\n======\n\n* **North**: up ~~3~~ 4 %\n* South", "Report North: up 3 4 % South"),
        ("**a *b* c** and `**code**`", "a b c and **code**"),
    ],
)
def test_excerpt(output: str, excerpt: str) -> None:
    assert excerpt_of(output, "text") == excerpt


def test_json_keeps_its_signs() -> None:
    assert excerpt_of('{"a_b": "**x**",\n "list": ["- y"]}', "json") == '{"a_b": "**x**", "list": ["- y"]}'


@pytest.mark.parametrize("sign", ["[", "*", "_a", "`", "> ", "- ", "|", "[a](", "\\", "~", "*a **b ", "\n>"])
def test_many_marks_cost_no_time(sign: str) -> None:
    """Lists make an excerpt for each row; the test's timeout would say so."""
    for _ in range(50):
        assert len(excerpt_of(sign * 100_000, "text")) <= EXCERPT_LENGTH

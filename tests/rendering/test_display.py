"""What an output looks like, and how each kind is shown."""

from __future__ import annotations

import itertools
import json
import re
import time
from pathlib import Path

import pytest

from airflow_hitl_review.task.review_settings import _DISPLAY
from demo.processes import PATIENCE
from hitl_rendering import render
from hitl_rendering.code import LANGUAGES, code, language_of
from hitl_rendering.display import KINDS, choices, display_of, in_words, unfenced
from hitl_rendering.formulas import formula
from hitl_rendering.numeric_columns import is_numeric
from hitl_rendering.records import Records
from tests.notebook.hostile import HOSTILE, Parts, harmless

PYTHON = '''import os


class Order:
    """One order. It has an id."""

    def __init__(self, order_id: int, *args, **kwargs) -> None:
        self.order_id = order_id
        self.__total__ = 0
'''
RECORDS = [{"name": f"Product {n}", "price": n * 1.5, "in stock": n % 2 == 0, "note": None} for n in range(40)]


@pytest.mark.parametrize(
    ("text", "display"),
    [
        (PYTHON, "code:python"),
        ("def __init__(self):\n    self.total_count = 0\n", "code:python"),
        ("def f(x):\n    if x\n        return 1\n    return __name__\n", "code:python"),
        ("# Load it\nimport pandas as pd\n\ndf = pd.read_csv('a.csv')\nprint(df.head())\n", "code:python"),
        ("SELECT region, SUM(revenue)\nFROM sales\nGROUP BY region;", "code:sql"),
        ("-- best\nWITH t AS (SELECT * FROM orders)\nSELECT id FROM t", "code:sql"),
        ("const a = 1;\nfunction f() {\n  return a;\n}\nexport default f;\n", "code:javascript"),
        ("interface A {\n  name: string;\n}\nconst x: A = { name: 'y' };\n", "code:typescript"),
        ('package main\n\nimport "fmt"\n\nfunc main() {\n\tfmt.Println(1)\n}\n', "code:go"),
        ("version: 1\nservices:\n  web:\n    image: nginx\n", "code:yaml"),
        ('[tool.x]\na = 1\nb = "c"\n', "code:toml"),
        ("#!/bin/bash\nset -e\necho $HOME\n", "code:bash"),
        ("FROM python:3.11\nWORKDIR /app\nCOPY . .\n", "code:docker"),
        ("--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n", "code:diff"),
        ("<!DOCTYPE html>\n<p>Hi</p>", "code:html"),
        ("```python\nx = 1\n```", "code:python"),
        ("```\nx = 1\n```\n", "code"),
        ("Here it is:\n\n```python\nx = 1\n```\n", "markdown"),
        ("# Report\n\n| a |\n|---|\n| 1 |\n", "markdown"),
        ("- [x] one\n- [ ] two\n", "markdown"),
        ("The mean is $\\bar x$.", "markdown"),
        ("Dear Ann,\n\nyour order will arrive tomorrow.\n\nYours, Bob", "markdown"),
        ("Select the best option from the list, and tell us.", "markdown"),
        ("import duties rose by 3 percent.\nfrom January on, prices fell.\nThat is all.\n", "markdown"),
        ("Set my_name to __all__ and see *args.", "text"),
        ("2026-01-01 10:00:00  INFO   started\n2026-01-01 10:00:01  ERROR  failed\n", "text"),
        ("Roses are red,\n  Violets are blue", "text"),
        ('{"a": 1}', "json"),
        ('[{"a": 1}, {"a": 2}]', "table"),
        ("[a](https://b.example) is a link", "markdown"),
        ("", "markdown"),
    ],
)
def test_text_is_shown_as_what_it_looks_like(text: str, display: str) -> None:
    assert display_of(text, "text") == display


@pytest.mark.parametrize(
    ("value", "display"),
    [
        (RECORDS, "table"),
        ({"regions": [{"name": "North"}]}, "json"),
        ([{"a": [1]}, {"a": [2]}], "json"),
        ([1, 2], "json"),
        ([], "json"),
        ("text", "json"),
    ],
)
def test_json_output_is_a_table_or_a_tree(value: object, display: str) -> None:
    assert display_of(json.dumps(value), "json") == display


def test_choice_of_the_author_or_the_reader() -> None:
    assert display_of("# x", "text", "code:sql") == "code:sql"
    assert display_of("# x", "text", "text") == "text"
    assert display_of("# x", "text", "table") == "markdown"  # it is none
    assert display_of(PYTHON, "text", "code") == "code:python"
    assert display_of("<p>", "text", "html") == "code:html"
    assert display_of('[{"a": [1]}]', "json", "table") == "table"
    assert choices("x") == ("markdown", "code", "text")
    assert choices('[{"a": 1}]') == ("markdown", "code", "json", "table", "text")
    assert [in_words(kind) for kind in ("code:python", "code:cobol", "code", "json", "text")] == [
        "Python",
        "Code",
        "Code",
        "JSON",
        "Plain text",
    ]


def test_workers_accept_the_kinds_that_are_shown() -> None:
    assert all(_DISPLAY.fullmatch(kind) for kind in (*KINDS, "html", "code:python", "code:c++"))
    assert not any(_DISPLAY.fullmatch(kind) for kind in ("", "pdf", "code:", "code:a b", "json:x"))


def test_code_keeps_underscores_and_indentation() -> None:
    html = render.output(PYTHON, "text")
    parts = Parts(html)
    assert parts.text == PYTHON
    assert "hitl-token-keyword" in html
    lines = [value for _, name, value in parts.attributes if name == "data-line"]
    assert lines == [str(number) for number in range(1, 10)]


def test_fence_is_no_part_of_the_code() -> None:
    assert unfenced("```python\nx = 1\n```\n") == "x = 1"
    assert unfenced("```\na\n```\nb\n```\nc\n```") == "```\na\n```\nb\n```\nc\n```"
    assert Parts(render.output("~~~sql\nselect 1\n~~~", "text")).text == "select 1"


@pytest.mark.parametrize("text", ["a\r\nb\n", "a\x0cb\u2028c\n\nd", "\n\n x", "x" * 6_000 + "\ny", "", "\tx"])
@pytest.mark.parametrize("language", ["python", "", "unheard-of"])
def test_code_is_complete(text: str, language: str) -> None:
    assert Parts(code(text, language)).text == text.replace("\r\n", "\n" if language == "python" else "\r\n")


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_hostile_code_is_harmless(language: str) -> None:
    assert language_of(language) == language
    for text in HOSTILE:
        assert harmless(code(text, language)).text == text


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_records_are_harmless(text: str) -> None:
    rows = [{text: text, "other": number} for number in range(150)]
    html = Records(json.dumps(rows)).html()
    parts = harmless(html)
    assert parts.text.count(text) >= 101  # the heading and a hundred rows
    assert set(parts.tags) <= {"div", "table", "thead", "tbody", "tr", "th", "td", "p", "template", "span"}


def test_records() -> None:
    html = Records(
        '[{"n": 12345678901234567890, "x": 1.0, "s": "a", "b": true}, {"n": NaN, "s": "b", "z": {"k": [1.10]}}]'
    ).html()
    parts = Parts(html)
    for text in ("12345678901234567890", "1.0", "true", "NaN", '{"k": [1.10]}'):
        assert text in parts.text
    assert parts.tags.count("th") == 5
    assert html.count('<th scope="col" class="hitl-number">') == 2


@pytest.mark.parametrize("text", ["[]", "{}", "[1]", "[{}]", '[{"a": 1, "a": 2}]', "x", "[" * 100_000])
def test_what_is_no_table(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        Records(text)


@pytest.mark.parametrize(
    ("cells", "numeric"),
    [
        (["1", "1,200", "-3.5", "n/a", ""], True),
        (["**3** %", "€ 20", "$1.50", "12 kg", "(40)", "1e-5"], True),
        (["1", "two"], False),
        (["2026-01-01"], False),
        (["", "-"], False),
    ],
)
def test_numeric_columns(cells: list[str], numeric: bool) -> None:
    assert is_numeric(cells) is numeric


def test_markdown_tables_align_numbers() -> None:
    html = render.markdown(
        "| Region | Revenue | Centre | Note |\n|---|---|:-:|---|\n| North | 1,200 | 1 | 3 pigs |\n"
    )
    assert '<th class="hitl-number">Revenue</th>' in html
    assert '<td class="hitl-number">1,200</td>' in html
    assert '<td class="hitl-center">1</td>' in html
    assert "<td>3 pigs</td>" in html


def test_markdown_task_lists_and_footnotes() -> None:
    parts = harmless(render.markdown("- [x] done\n- [ ] open\n\nSee[^1].\n\n[^1]: The note."))
    assert parts.tags.count("input") == 2
    assert ("input", "aria-label", "done") in parts.attributes
    assert "See[1]." in parts.text
    assert "The note." in parts.text


@pytest.mark.parametrize(
    "text",
    [
        "$\\frac{a}{b}$",
        "$$\n\\frac{a}{b}\n$$",
        "\\(\\frac{a}{b}\\)",
        "\\[\n\\frac{a}{b}\n\\]",
        "a $$\\frac{a}{b}$$ b",
    ],
)
def test_formulas_are_mathml(text: str) -> None:
    assert "mfrac" in harmless(render.markdown(text)).tags


def test_prices_are_no_formulas() -> None:
    assert "math" not in Parts(render.markdown("It costs $5 and then $10.")).tags


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_formulas_are_harmless(text: str) -> None:
    for latex in (
        text,
        f"\\text{{{text}}}",
        f"\\href{{{text}}}{{x}}",
        f"\\class{{{text}}}{{x}}",
        f"\\style{{{text}}}{{x}}",
    ):
        harmless(formula(latex, display=True))
        harmless(render.markdown(f"${latex}$ and\n\n$$\n{latex}\n$$\n"))


def test_unknown_formula_is_shown_as_written() -> None:
    assert "x^x^x" in Parts(render.markdown("$x^x^x$")).text


def test_images_are_loaded_on_demand() -> None:
    parts = harmless(
        render.markdown(
            "![a plot](https://pics.example/x.png) ![](data:image/png;base64,AAAA) ![x](http://a.example/b.png)"
        )
    )
    assert "img" not in parts.tags
    assert ("button", "data-host", "pics.example") in parts.attributes
    assert ("button", "data-src", "data:image/png;base64,AAAA") in parts.attributes
    assert parts.tags.count("button") == 2
    assert "Load images from pics.example" in parts.text


def test_text_cannot_bring_parts_of_our_own() -> None:
    words = re.findall("hitl[0-9a-f]{16}x", render.markdown("$x$ hitl0123456789abcdefx0x"))
    assert words == ["hitl0123456789abcdefx"]


@pytest.mark.parametrize(
    "sign",
    [" ", "\t", "\n", "-", "|", "`", "$", "*", "_", "[", "a ", " a", "-- \n", "select ", "with ", "a.", "a, "],
)
@pytest.mark.parametrize("end", ["", "x", "\n{", "\nRUN x"])
def test_looking_is_quick(sign: str, end: str) -> None:
    text = sign * (20_000 // len(sign)) + end
    start = time.thread_time()
    display_of(text, "text")
    assert time.thread_time() - start < 1 * PATIENCE


def test_looking_at_two_kinds_of_lines_is_quick() -> None:
    signs = [
        "-",
        "//\n",
        "a{",
        ".a",
        "{",
        ";",
        "#",
        "/* ",
        "FROM a\n",
        "\\(",
        "<",
        "a:\n",
        "- ",
        "[a]",
        'resource "a" ',
        ":-|",
    ]
    start = time.thread_time()
    for one, other in itertools.permutations(signs, 2):
        display_of(one * 500 + other * 500, "text")
    assert time.thread_time() - start < 15 * PATIENCE


def test_the_largest_outputs_are_shown_quickly() -> None:
    """Limits with room: each takes some 10 to 300 ms on a quiet machine."""
    records = json.dumps(
        [{**RECORDS[0], "id": number, "city": "Berlin", "a": 1, "b": 2} for number in range(10_000)]
    )
    for text in (
        PYTHON * 1_300,
        "<!doctype html>" + "<p>x</p>\n" * 33_000,
        "A paragraph of words. " * 14_000,
        records,
    ):
        start = time.thread_time()
        render.output(text, "text")
        assert time.thread_time() - start < 2 * PATIENCE


def test_own_code_is_seen_as_code() -> None:
    """Real files: our own."""
    root = Path(__file__).resolve().parents[2]
    files = [
        file
        for folder in ("hitl_notebook", "plugin", "rendering", "webhooks")
        for file in (root / folder).rglob("*.py")
    ]
    wrong = [
        file.name
        for file in files
        if file.stat().st_size > 400 and display_of(file.read_text(), "text") != "code:python"
    ]
    assert wrong == []
    texts = [*root.glob("docs/*.md"), root / "README.md", root / "CHANGELOG.md"]
    assert [file.name for file in texts if display_of(file.read_text(), "text") != "markdown"] == []

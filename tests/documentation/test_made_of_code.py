"""The parts of the pages generated from the code are up to date; ``make reference`` regenerates them."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from airflow_hitl_review.provider_info import get_provider_info
from docs.reference import marks
from tests.documentation.pages import ROOT, read

# In a separate process: it imports Airflow's API server, whose own warnings would be errors here.
ASK = """
import json, sys
from docs.reference.__main__ import MADE
from docs.reference.rest_page import heading, routes
said = {
    "parts": [[page, mark, make()] for (page, mark), make in MADE.items()],
    "headings": [heading(method, path) for method, path in routes()],
}
open(sys.argv[1], "w", encoding="utf-8").write(json.dumps(said))
"""


@dataclass(frozen=True)
class Code:
    """What is generated from the code.

    Attributes:
        parts: generated parts of pages: page, name of the marks, and the text between them.
        headings: one per API route.
    """

    parts: list[tuple[str, str, str]]
    headings: list[str]


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Code:
    answer: Path = tmp_path_factory.mktemp("reference") / "answer.json"
    command = [sys.executable, "-c", ASK, str(answer)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return Code(**json.loads(answer.read_text(encoding="utf-8")))


def test_generated_parts_are_up_to_date(code: Code) -> None:
    assert {page for page, _, _ in code.parts} == {"settings.md", "running.md", "rest.md"}
    for page, mark, made in code.parts:
        assert marks.part(mark, read(page)) == made, "Run: make reference"


def test_settings_have_type_and_default() -> None:
    rows = {
        line.split("|")[1].strip(): line for line in marks.part("settings", read("settings.md")).splitlines()[2:]
    }
    options = get_provider_info()["config"]["hitl_review"]["options"]
    assert set(rows) == {f"`{name}`" for name in options}
    for name, option in options.items():
        _, _, type_, default, about, _ = (cell.strip() for cell in rows[f"`{name}`"].split("|"))
        assert (type_, default) == (option["type"], f"`{option['default']}`" if option["default"] else "none")
        assert option["description"] in about


def test_each_route_is_listed_once(code: Code) -> None:
    lines = read("rest.md").splitlines()
    assert len(code.headings) > 10
    for heading in code.headings:
        assert lines.count(heading) == 1, heading


def test_marks_must_occur_once() -> None:
    page = "a\n<!-- x: begin -->\nold\n<!-- x: end -->\nz\n"
    assert marks.put("x", "new\n", page) == page.replace("old", "new")
    for wrong in ("", page + page, page.replace("x: end", "y: end")):
        with pytest.raises(ValueError, match="the marks 'x' once"):
            marks.part("x", wrong)

"""Public names, events, errors and states are documented in the pages."""

from __future__ import annotations

import inspect
import re
from types import ModuleType

import pytest

import airflow_hitl_review
import hitl_notebook
import hitl_notebook.errors
import hitl_webhooks
import hitl_webhooks.errors
from airflow_hitl_review.core import states
from airflow_hitl_review.task import errors
from hitl_webhooks import EventType
from tests.documentation.pages import code_words, read


@pytest.mark.parametrize("module", [airflow_hitl_review, hitl_notebook, hitl_webhooks], ids=lambda m: m.__name__)
def test_each_public_name_is_in_the_python_reference(module: ModuleType) -> None:
    shown = re.findall(rf"^::: {module.__name__}\.(\w+)$", read("python.md"), re.MULTILINE)
    assert sorted(shown) == sorted(module.__all__)


def test_each_event_is_in_the_webhooks_page() -> None:
    rows = re.findall(r"^\| `(hitl_review\.[\w.]+)` \|", read("webhooks.md"), re.MULTILINE)
    assert sorted(rows) == sorted(type_.value for type_ in EventType)


@pytest.mark.parametrize(
    ("module", "pages"),
    [
        (errors, ["dag-authors.md"]),
        (hitl_notebook.errors, ["troubleshooting.md"]),
        (hitl_webhooks.errors, ["troubleshooting.md"]),
    ],
    ids=lambda given: getattr(given, "__name__", None),
)
def test_each_error_is_documented(module: ModuleType, pages: list[str]) -> None:
    own = {
        name
        for name, thing in vars(module).items()
        if inspect.isclass(thing) and thing.__module__ == module.__name__ and not name.startswith("_")
    }
    assert own
    assert not own - set().union(*map(code_words, pages))


def test_each_state_is_documented() -> None:
    assert {status.value for status in states.SessionStatus} <= code_words("how-it-works.md")
    drawing = read("pictures/states.svg")
    for status in states.SessionStatus:
        assert f">{status.value}</text>" in drawing

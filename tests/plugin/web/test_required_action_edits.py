"""The field of Airflow's form in which an output is edited: what it shows, and what its answer means."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import HTTPException

from airflow_hitl_review.core.required_action_form import EDITED_OUTPUT, MAX_SHOWN, edited_output_in, form_of
from airflow_hitl_review.core.schema import AgentSession, OutputFormat
from airflow_hitl_review.core.site import Site
from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.server.db.hitl_detail import GivenAnswer
from airflow_hitl_review.web.required_actions import request_of

SITE = Site.read("https://airflow.example/", lambda _, default: default)


def params_of(output: str, output_format: OutputFormat = "text", **more: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"allow_modifications": True, "output_format": output_format, **more}
    return form_of(TaskKey("d", "r", "t"), AgentSession(current_output=output, **given), SITE).params


def shown(output: str, output_format: OutputFormat = "text", **more: Any) -> str | None:
    """What the field shows; None if there is none."""
    field = params_of(output, output_format, **more).get(EDITED_OUTPUT)
    return str(field["value"]) if field else None


def test_the_field_has_the_output() -> None:
    assert shown("# Draft  \n") == "# Draft  \n"
    assert shown("[1, 2]", "json") == "[1, 2]"


def test_json_of_an_object_stays_a_text_in_airflows_form() -> None:
    """Which parses what is JSON of an object, shows ``[object Object]``, and rounds large integers."""
    assert shown('{"a": 1.0}', "json") == '{"a": 1.0}\u00a0'


@pytest.mark.parametrize("output", ["", "a\r\nb", "x" * (MAX_SHOWN + 1), '{"a": 1}', " {{ braces }}"])
def test_what_the_form_would_change_has_no_field(output: str) -> None:
    assert shown(output) is None


def test_what_may_not_be_edited_has_no_field() -> None:
    assert shown("# Draft", allow_modifications=False) is None


@pytest.mark.parametrize(
    ("output", "output_format", "given", "meant"),
    [
        ("Draft", "text", "Better \n", "Better \n"),
        ("Draft", "text", "", ""),
        ("Draft", "text", None, None),
        ("Draft", "text", "{x}\u00a0", "{x}\u00a0"),
        ("Draft\u00a0", "text", "Draft\u00a0", "Draft\u00a0"),
        ('{"a": 1}', "json", '{"a": 1}\u00a0', '{"a": 1}'),
        ('{"a": 1}', "json", '{"a": 2}\u00a0\n', '{"a": 2}'),
        ('{"a": 1}', "json", '{"a": 2}', '{"a": 2}'),
        ('{"a": 1}', "json", {"a": 2}, {"a": 2}),
    ],
)
def test_what_an_answer_means(output: str, output_format: OutputFormat, given: Any, meant: Any) -> None:
    assert edited_output_in({EDITED_OUTPUT: given}, params_of(output, output_format)) == meant


def test_an_edit_that_is_no_text_is_refused() -> None:
    """It would be rounded; ignoring it would approve something else."""
    answer = GivenAnswer("Approve", {EDITED_OUTPUT: {"a": 1}}, "ann", "Ann")
    with pytest.raises(HTTPException, match="must be a text"):
        request_of(answer)


def test_a_rejection_has_no_edit() -> None:
    assert request_of(GivenAnswer("Reject", {EDITED_OUTPUT: "x"}, "ann", "Ann")).edited_output is None

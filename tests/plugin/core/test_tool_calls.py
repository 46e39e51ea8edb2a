"""What an agent asks, as an output and as a schema; and the answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from airflow_hitl_review.core.answer_schema import answer_schema
from airflow_hitl_review.core.review import assemble, summarize, summary_of
from airflow_hitl_review.core.schema import SESSION_KEY, AgentSession
from airflow_hitl_review.core.states import Action, ReviewState, SessionStatus, Step, advance
from airflow_hitl_review.core.stored import StoredValue
from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.core.texts import sha256_of_values
from airflow_hitl_review.core.tool_calls import (
    CallAnswer,
    ToolRequest,
    answered,
    calls_in_words,
    read_answers,
    with_masked,
)
from airflow_hitl_review.server.reviews.call_answers import edit_of, unedited_args
from airflow_hitl_review.server.reviews.edits import InvalidEditError, checked_edit
from tests.notebook.times import stamp
from tests.support.call_samples import MAIL, question, refunds

KEY = TaskKey("d", "r", "t")


def session(asked: dict[str, Any], **more: Any) -> AgentSession:
    return AgentSession(
        current_output=asked["outputs"][0],
        output_format="json",
        allow_modifications=True,
        output_schema=asked["output_schema"],
        request=ToolRequest.model_validate(asked["request"]),
        requests=[1],
        created_at=stamp(0),  # type: ignore[arg-type]
        updated_at=stamp(0),  # type: ignore[arg-type]
        **more,
    )


ALL = {name: CallAnswer(approved=True) for name in ("call_1", "call_2", "call_3")}


def checked(review: AgentSession, calls: dict[str, CallAnswer] | None, edited: str | None = None) -> str | None:
    """What the API stores."""
    text = edit_of(review, Action.APPROVE, calls, edited)
    return checked_edit(review, text, unedited_args(review, text))


def test_approving_a_request_lets_the_agent_go_on() -> None:
    pending = ReviewState(SessionStatus.PENDING_REVIEW, 3, 3, is_request=True)
    approved = advance(pending, Action.APPROVE)
    assert (approved.status, approved.iteration, approved.is_request) == (SessionStatus.CHANGES_REQUESTED, 3, True)
    assert approved.may_regenerate
    following = advance(approved, Step.REGENERATE)
    assert (following.status, following.iteration, following.is_request) == (SessionStatus.PENDING_REVIEW, 4, False)
    assert advance(pending, Action.REJECT).status is SessionStatus.REJECTED


def test_the_schema_takes_the_request_as_it_is() -> None:
    for asked in (refunds(), refunds(fixed=True)):
        Draft202012Validator.check_schema(asked["output_schema"])
        Draft202012Validator(asked["output_schema"]).validate(json.loads(asked["outputs"][0]))
    assert set(refunds()["output_schema"]["$defs"]) == {"1.Line", "1.Reason", "2.Line", "2.Reason"}
    asked = question()["output_schema"]
    assert not Draft202012Validator(asked).is_valid(json.loads(question()["outputs"][0]))  # it has no answer


def test_answers_are_an_edit_of_the_request() -> None:
    review = session(refunds())
    assert checked(review, ALL) is None  # nothing is changed
    edited = checked(review, {**ALL, "call_2": CallAnswer(approved=False, reason="Too much.")})
    assert edited is not None
    assert read_answers(edited)["call_2"].reason == "Too much."
    assert json.loads(edited)["call_1"] == json.loads(review.current_output)["call_1"]
    given = {**ALL, "call_1": CallAnswer(args={"order_id": 7, "amount": 3, "reason": "late"})}
    assert '"amount": 3' in (checked(review, given) or "")


@pytest.mark.parametrize(
    ("calls", "path"),
    [
        ({**ALL, "call_1": CallAnswer(args={"order_id": "x", "amount": 1, "reason": "late"})}, "order_id"),
        ({**ALL, "call_1": CallAnswer(args={"order_id": 1, "amount": -1, "reason": "late"})}, "amount"),
        ({**ALL, "call_1": CallAnswer(args={"order_id": 1, "amount": 1, "reason": "no such"})}, "reason"),
        ({**ALL, "call_9": CallAnswer()}, "call_9"),
        ({"call_1": CallAnswer()}, "call_2"),
    ],
)
def test_wrong_answers_name_their_place(calls: dict[str, CallAnswer], path: str) -> None:
    with pytest.raises(InvalidEditError) as error:
        checked(session(refunds()), calls)
    assert any(path in one.path for one in error.value.errors)


def test_a_message_names_the_call_as_the_reviewer_knows_it() -> None:
    wrong = CallAnswer(args={"order_id": 7, "amount": -1, "reason": "late"})
    with pytest.raises(InvalidEditError, match=r"output: call 2 \(refund\), args\.amount must be more than 0\.$"):
        checked(session(refunds()), {**ALL, "call_2": wrong})


def test_arguments_can_be_fixed() -> None:
    review = session(refunds(fixed=True))
    assert checked(review, {**ALL, "call_1": CallAnswer(approved=False)}) is not None
    with pytest.raises(InvalidEditError):
        checked(review, {**ALL, "call_1": CallAnswer(args={"order_id": 1, "amount": 1, "reason": "late"})})


def test_another_tool_cannot_be_named() -> None:
    review = session(refunds())
    with pytest.raises(InvalidEditError) as error:
        checked(review, None, review.current_output.replace('"send_mail"', '"refund"'))
    assert ("call_3", "tool_name") in [one.path for one in error.value.errors]


def test_a_question_needs_an_answer() -> None:
    review = session(question())
    for calls in (None, {"ask_1": CallAnswer()}, {"ask_1": CallAnswer(answer=" \n")}):
        with pytest.raises(InvalidEditError, match="asks a question") as error:
            checked(review, calls)
        assert error.value.errors[0].path == ("ask_1", "answer")
    assert '"answer": "Kyoto"' in (checked(review, {"ask_1": CallAnswer(answer="Kyoto")}) or "")


@pytest.mark.parametrize("action", [Action.CHANGES_REQUESTED, Action.REJECT])
def test_answers_come_with_an_approval(action: Action) -> None:
    review = session(refunds())
    assert edit_of(review, action, None, None) is None
    assert edit_of(review, action, None, f" {review.current_output}") is None  # as Airflow's form sends it back
    for calls, edited in ((ALL, None), (None, refunds(fixed=True)["outputs"][0].replace("true", "false"))):
        with pytest.raises(InvalidEditError, match="approve, and say which"):
            edit_of(review, action, calls, edited)
    with pytest.raises(InvalidEditError, match="both say the same"):
        edit_of(review, Action.APPROVE, ALL, "{}")
    plain = AgentSession(current_output="text")
    with pytest.raises(InvalidEditError, match="asks for no calls"):
        edit_of(plain, Action.APPROVE, ALL, None)
    assert edit_of(plain, Action.APPROVE, None, "edited") == "edited"


def test_numbers_of_an_answer_survive() -> None:
    text = '{"c": {"tool_name": "t", "approved": true, "reason": "", "args": {"a": 9007199254740993, "b": 1.0}}}'
    again = answered(text, {"c": CallAnswer(approved=False)})
    assert json.loads(again)["c"]["args"] == {"a": 9007199254740993, "b": 1.0}
    assert '"b": 1.0' in again


@pytest.mark.parametrize(
    ("given", "real"),
    [
        ({"user": "ann", "key": "***"}, {"user": "ann", "key": "k1"}),
        ({"user": "bob", "key": "***"}, {"user": "bob", "key": "k1"}),
        ({"user": "ann", "key": "mine"}, {"user": "ann", "key": "mine"}),
        ({"key": "***", "new": 1}, {"key": "k1", "new": 1}),
        ({"user": "***"}, {"user": "***"}),
    ],
)
def test_what_is_masked_stays_as_it_is(given: Any, real: Any) -> None:
    assert with_masked(given, {"user": "ann", "key": "***"}, {"user": "ann", "key": "k1"}) == real


def test_masked_values_in_a_list_that_changed_belong_to_nobody() -> None:
    shown, real = [{"a": 1, "key": "***"}, {"a": 2, "key": "***"}], [{"a": 1, "key": "x"}, {"a": 2, "key": "y"}]
    assert with_masked(shown, shown, real) == real
    for edited in ([{"a": 5, "key": "***"}, shown[1]], shown[::-1], shown[1:]):
        assert with_masked(edited, shown, real) == edited  # the task refuses it
    assert with_masked(True, 1, 1) is True


def test_reason_does_not_come_with_an_approval() -> None:
    with pytest.raises(InvalidEditError, match="Say which") as error:
        checked(session(refunds()), {**ALL, "call_1": CallAnswer(reason="No! Too much.")})
    assert [one.path for one in error.value.errors] == [("call_1", "reason")]


def test_arguments_that_the_agent_gave_need_not_fit() -> None:
    """As pydantic-ai takes "7" for 7."""
    review = session(refunds())
    review.current_output = review.current_output.replace('"order_id": 7', '"order_id": "7"')
    denied = {**ALL, "call_2": CallAnswer(approved=False)}
    assert checked(review, denied) is not None
    with pytest.raises(InvalidEditError):
        checked(review, {**denied, "call_1": CallAnswer(args={"order_id": "7", "amount": 1, "reason": "late"})})


@pytest.mark.parametrize(
    "schema", [{"$ref": "#"}, {"$id": "x"}, {"properties": {"a": {"$ref": "#/definitions/A"}}}]
)
def test_schema_that_cannot_be_moved_is_left_out(schema: dict[str, Any]) -> None:
    request = ToolRequest.model_validate(refunds()["request"])
    args: dict[str, Any] = {call.tool_call_id: {} for call in request.calls}
    made = answer_schema(request, args, {"call_1": schema, "call_3": {"$schema": "x", **MAIL}}, fixed=False)
    assert made["properties"]["call_1"]["properties"]["args"] == {"type": "object", "title": "Arguments"}
    assert made["properties"]["call_3"]["properties"]["args"] == {**MAIL, "title": "Arguments"}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"a": 1, "b": 2.0}, {"b": 2, "a": 1.0}, True),
        (-0.0, 0, True),
        (1e22, 10**22, True),
        (12345678901234567, 12345678901234568, False),
        (0.1, 0.1000000001, False),
        ("1", 1, False),
        (True, 1, False),
        (None, 0, False),
    ],
)
def test_digest_of_values_tells_them_apart(one: Any, other: Any, same: bool) -> None:
    assert (sha256_of_values(one) == sha256_of_values(other)) is same


def test_lists_have_the_calls_in_words() -> None:
    review = session(refunds())
    stored = StoredValue(review.model_dump(mode="json"), review.updated_at)  # type: ignore[arg-type]
    row = summarize(KEY, "awaiting_input", stored)
    assert row.request_kind == "tool_calls"
    assert row.output_excerpt.startswith('refund(order_id=7, amount=20.5, reason="damaged"')
    whole = assemble(KEY, "awaiting_input", {SESSION_KEY: stored})
    assert whole is not None
    assert whole.request == review.request
    assert whole.conversation == []
    assert calls_in_words("[1, 2]") == ["[1, 2]"]
    denied = answered(review.current_output, {**ALL, "call_1": CallAnswer(approved=False)})
    assert [one.partition("(")[0] for one in calls_in_words(denied, approved=True)] == ["refund", "send_mail"]
    assert calls_in_words(question()["outputs"][0], approved=True) == []


def test_long_requests_have_a_summary_without_them() -> None:
    review = session(refunds())
    review.request.calls[0].description = "long " * 3000  # type: ignore[union-attr]
    long = review.model_copy(update={"current_output": review.current_output + " " * 9000})
    summary = summary_of(long)
    assert summary is not None
    assert len(summary.model_dump_json()) < 3000
    stored = StoredValue(summary.model_dump(mode="json"), review.updated_at)  # type: ignore[arg-type]
    assert summarize(KEY, None, stored).request_kind == "tool_calls"

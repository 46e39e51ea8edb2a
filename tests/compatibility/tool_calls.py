"""Agents that ask before they make a call; run with the AI provider, see ``test_agent_rounds``.

Prints ``passed`` with the name of each story.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from functools import cached_property
from typing import Any

from airflow.sdk.exceptions import TaskAwaitingInput
from pydantic_ai import Agent, ApprovalRequired, CallDeferred
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.toolsets import FunctionToolset

from airflow_hitl_review import HITLRegenerationError, HITLRejectError
from airflow_hitl_review.core.schema import BEGUN_CALLS_KEY, SESSION_KEY, edited_output_key, history_key
from airflow_hitl_review.core.states import Action, SessionStatus
from airflow_hitl_review.core.tool_calls import CallAnswer, answered
from airflow_hitl_review.task.agent import AgentOperator
from tests.compatibility.agent_rounds import context, raises
from tests.support.memory_xcoms import MemoryTask

MADE = list[Any]()
"""The calls that were made."""

Script = list[list[ToolCallPart] | str]
"""What the model says, one after the other: calls, or a text."""


def refund(order: int, amount: float, note: str = "") -> str:
    """Pay money back."""
    MADE.append(("refund", order, amount, note))
    return f"refunded {order}"


def login(user: str, password: str) -> str:
    MADE.append(("login", user, password))
    return "in"


def look_up(order: int) -> str:
    MADE.append(("look_up", order))
    return f"order {order}"


def ask(question: str) -> str:
    """Ask a person."""
    raise CallDeferred


def shop(id_: str = "shop") -> FunctionToolset:
    tools = FunctionToolset(id=id_)
    tools.add_function(refund, requires_approval=True)
    tools.add_function(login, requires_approval=True)
    tools.add_function(look_up)
    tools.add_function(ask)
    return tools


def results(messages: list[ModelMessage]) -> list[str]:
    parts = [part for message in messages if isinstance(message, ModelRequest) for part in message.parts]
    return [str(part.content) for part in parts if isinstance(part, ToolReturnPart)]


class Scripted(AgentOperator):
    """An agent that says what its script has."""

    script: Script

    @cached_property
    def llm_hook(self) -> Any:
        operator = self

        def say(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
            step = operator.script[sum(isinstance(one, ModelResponse) for one in messages)]
            if isinstance(step, str):
                return ModelResponse(parts=[TextPart(f"{step}: {'; '.join(results(messages))}")])
            return ModelResponse(parts=list(step))

        class Hook:
            def create_agent(self, *, output_type: Any, instructions: str, **more: Any) -> Any:
                return Agent(FunctionModel(say), output_type=output_type, instructions=instructions, **more)

        return Hook()


class Store:
    """Airflow 3.3's state store of one task."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}

    def get(self, key: str) -> Any:
        """A value, or None."""
        return self.kept.get(key)

    def set(self, key: str, value: Any, **how: Any) -> None:
        """Keep a value."""
        self.kept[key] = value

    def delete(self, key: str) -> None:
        """Drop a value."""
        self.kept.pop(key, None)


class Task:
    """One task: its XComs, and a new operator for each process."""

    def __init__(self, *script: Any, tools: Callable[[], FunctionToolset] = shop, **given: Any) -> None:
        MADE.clear()
        self.xcoms, self.script, self.tools = MemoryTask(), list(script), tools
        self.given = {"enable_hitl_review": True, **given}
        self.result: Any = None
        self.store = Store()

    def operator(self) -> Scripted:
        """The operator of a new process."""
        operator = Scripted(task_id="t", prompt="p", llm_conn_id="x", toolsets=[self.tools()], **self.given)
        operator.script = self.script
        return operator

    def run(self, event: dict[str, Any] | None = None) -> None:
        """Run until it parks or ends."""
        operator = self.operator()
        given = context(self.xcoms) | {"task_state_store": self.store}
        try:
            if event is None:
                self.result = operator.execute(given)
            else:
                self.result = operator.resume_hitl_review(given, event, **self.xcoms.kwargs)
        except TaskAwaitingInput as signal:
            self.xcoms.kwargs = dict(signal.kwargs or {})

    def decide(self, action: Action, feedback: str = "", **answers: CallAnswer) -> None:
        """Decide, and let the task go on."""
        shown = self.xcoms.session.current_output
        edited = answered(shown, answers) if answers else None
        self.run(self.xcoms.decide(action, feedback, edited=edited))

    @property
    def shown(self) -> Any:
        return json.loads(self.xcoms.session.current_output)

    @property
    def status(self) -> str:
        return self.xcoms.session.status.value


def call(tool: str, id_: str, **args: Any) -> ToolCallPart:
    return ToolCallPart(tool, args, id_)


ONE = [call("refund", "a", order=7, amount=20.5)]
TWO = [call("refund", "a", order=7, amount=20.5), call("refund", "b", order=8, amount=1.0)]


def calls_wait_and_are_made_once_they_are_approved() -> None:
    task = Task([call("look_up", "l", order=7)], TWO, "Done")
    task.run()
    assert MADE == [("look_up", 7)]
    asked = {"tool_name": "refund", "approved": True, "reason": ""}
    assert task.shown["a"] == {**asked, "args": {"order": 7, "amount": 20.5}}
    session = task.xcoms.session
    assert session.request is not None
    assert [(one.tool_call_id, one.description) for one in session.request.calls] == [
        ("a", "Pay money back."),
        ("b", "Pay money back."),
    ]
    properties = session.output_schema["properties"]["a"]["properties"]  # type: ignore[index]
    assert properties["args"]["properties"]["order"]["type"] == "integer"
    assert (session.iteration, session.max_iterations, session.state.is_request) == (1, 6, True)
    task.decide(Action.APPROVE)
    assert sorted(MADE[1:]) == [("refund", 7, 20.5, ""), ("refund", 8, 1.0, "")]  # side by side
    session = task.xcoms.session
    assert (session.status, session.iteration, session.request) == (SessionStatus.PENDING_REVIEW, 2, None)
    task.decide(Action.APPROVE)
    assert task.result == "Done: order 7; refunded 7; refunded 8"
    assert task.status == "approved"


def one_is_denied_and_one_edited() -> None:
    task = Task(TWO, "Done")
    task.run()
    task.decide(
        Action.APPROVE,
        a=CallAnswer(args={"order": 7, "amount": 3, "note": "half"}),
        b=CallAnswer(approved=False, reason="too much"),
    )
    assert MADE == [("refund", 7, 3.0, "half")]
    assert task.xcoms.session.current_output == "Done: refunded 7; too much"


def feedback_denies_all_and_costs_no_output() -> None:
    task = Task(TWO, ONE, "Done", max_hitl_iterations=1)
    task.run()
    task.decide(Action.CHANGES_REQUESTED, "only one")
    assert (MADE, list(task.shown)) == ([], ["a"])
    task.decide(Action.APPROVE)
    assert (task.status, task.xcoms.session.current_output) == (
        "pending_review",
        "Done: only one; only one; refunded 7",
    )


def reject_ends_the_task() -> None:
    task = Task(ONE, "Done")
    task.run()
    with raises(HITLRejectError, "rejected by Ann"):
        task.decide(Action.REJECT)
    assert (MADE, task.status) == ([], "rejected")


def a_question_gets_its_answer() -> None:
    task = Task([call("ask", "q", question="Which?")], "Done")
    task.run()
    request = task.xcoms.session.request
    assert request is not None
    assert (request.kind, task.shown) == (
        "question",
        {"q": {"tool_name": "ask", "args": {"question": "Which?"}, "answer": ""}},
    )
    task.decide(Action.APPROVE, q=CallAnswer(answer="the red one"))
    assert task.xcoms.session.current_output == "Done: the red one"


def calls_alone_are_approved_without_a_review_of_the_output() -> None:
    task = Task(ONE, "Done", enable_hitl_review=False)
    task.run()
    task.decide(Action.APPROVE, a=CallAnswer(args={"order": 9, "amount": 1}))
    assert task.result == "Done: refunded 9"
    session = task.xcoms.session
    assert (session.status, session.iteration, session.decisions[-1].channel) == (
        SessionStatus.APPROVED,
        2,
        "policy",
    )


def secrets_are_masked_and_given_to_the_tool() -> None:
    task = Task([call("login", "s", user="ann", password="hunter2")], "Done")
    task.run()
    assert task.shown["s"]["args"] == {"user": "ann", "password": "***"}
    task.decide(Action.APPROVE, s=CallAnswer(args={"user": "bob", "password": "***"}))
    assert MADE == [("login", "bob", "hunter2")]


def what_was_changed_in_xcom_fails_the_task() -> None:
    for changed, words in ((SESSION_KEY, "request was changed"), (history_key(1), "conversation was changed")):
        task = Task(ONE, "Done")
        task.run()
        stored = json.dumps(task.xcoms.xcoms[changed]).replace("20.5", "2.5")
        assert stored != json.dumps(task.xcoms.xcoms[changed])
        task.xcoms.xcoms[changed] = json.loads(stored)
        with raises(HITLRegenerationError, words):
            task.decide(Action.APPROVE)
        assert MADE == []


def a_request_that_xcom_hides_is_still_one() -> None:
    task = Task(ONE, "Done")
    task.run()
    session = dict(task.xcoms.xcoms[SESSION_KEY])
    del session["request"]  # as the provider's API does
    task.xcoms.xcoms[SESSION_KEY] = session
    task.decide(Action.APPROVE)
    assert (MADE, task.status) == ([("refund", 7, 20.5, "")], "pending_review")


def an_answer_about_other_calls_is_refused() -> None:
    task = Task(ONE, "Done")
    task.run()
    forged = task.xcoms.session.current_output.replace('"refund"', '"login"')
    task.run(task.xcoms.decide(Action.APPROVE, edited=forged))
    assert (MADE, task.status) == ([], "pending_review")
    assert "other calls" in (task.xcoms.session.last_error or "")
    event = task.xcoms.decide(Action.APPROVE, edited=answered(task.xcoms.session.current_output, {}) + " ")
    task.xcoms.xcoms[edited_output_key(1)] = forged  # after the API has confirmed another one
    task.run(event)
    assert (MADE, task.status) == ([], "pending_review")


def other_toolsets_fail_the_task() -> None:
    task = Task(ONE, "Done")
    task.run()
    task.tools = lambda: shop("another")
    with raises(HITLRegenerationError, "toolsets changed"):
        task.decide(Action.APPROVE)
    assert MADE == []


def approved_calls_are_not_made_twice() -> None:
    task = Task(ONE, "Done")
    task.run()

    def dies(key: str) -> None:
        if key == history_key(2):
            raise KeyboardInterrupt  # as a process that is killed

    task.xcoms.before_push = dies
    event = task.xcoms.decide(Action.APPROVE)
    with raises(KeyboardInterrupt):
        task.run(event)
    task.xcoms.before_push = lambda key: None
    assert len(MADE) == 1
    with raises(HITLRegenerationError, "some may have been made"):
        task.run(event)
    assert len(MADE) == 1


def the_next_try_tells_what_was_begun() -> None:
    task = Task(TWO)  # the script has no second answer
    task.run()
    with raises(HITLRegenerationError):
        task.decide(Action.APPROVE, a=CallAnswer(args={"order": 9, "amount": 1}), b=CallAnswer(approved=False))
    first = task.xcoms
    assert first.session.request is not None
    assert (first.session.request.earlier, first.session.request.begun_at is None) == ([], False)
    # Airflow deletes the others when the next try starts.
    task.xcoms = MemoryTask()
    task.xcoms.try_number, task.xcoms.xcoms = 2, {BEGUN_CALLS_KEY: first.xcoms[BEGUN_CALLS_KEY]}
    task.run()
    request = task.xcoms.session.request
    assert request is not None
    (earlier,) = request.earlier
    assert (earlier.try_number, earlier.calls) == (1, ["refund(order=9, amount=1)"])
    with raises(HITLRegenerationError):
        task.decide(Action.APPROVE)
    kept = task.xcoms.xcoms[BEGUN_CALLS_KEY]
    assert [(one["try_number"], len(one["calls"])) for one in kept] == [(1, 1), (2, 2)]


def a_failure_after_the_calls_fails_the_task() -> None:
    task = Task(ONE)  # the script has no second answer
    task.run()
    with raises(HITLRegenerationError, "some of them may have been made"):
        task.decide(Action.APPROVE)
    assert len(MADE) == 1


def the_clock_denies() -> None:
    task = Task(ONE, "Done", hitl_timeout=timedelta(hours=1), on_hitl_timeout="reject")
    task.run()
    first = task.xcoms.session.deadline_at
    over = datetime.now(timezone.utc) - timedelta(minutes=1)
    task.xcoms.kwargs["parked"]["deadline"] = over.isoformat()
    task.run({})
    session = task.xcoms.session
    assert session.current_output == "Done: Nobody decided about this in time."
    assert session.deadline_at is not None
    assert first is not None
    assert session.deadline_at > first


def a_failure_after_the_clock_has_denied_ends_the_task() -> None:
    task = Task(ONE, hitl_timeout=timedelta(hours=1), on_hitl_timeout="reject")  # the script has no second answer
    task.run()
    task.xcoms.kwargs["parked"]["deadline"] = (datetime.now(timezone.utc) - timedelta(minutes=1)).isoformat()
    with raises(HITLRegenerationError, "Regenerating failed"):
        task.run({})
    assert len(task.xcoms.session.decisions) == 1


def an_output_does_not_become_a_request() -> None:
    forged = Task(ONE)
    forged.run()
    task = Task("North")
    task.run()
    history = forged.xcoms.xcoms[history_key(1)]
    task.xcoms.xcoms[history_key(1)] = history
    with raises(HITLRegenerationError, "did not when the task parked"):
        task.decide(Action.APPROVE)
    assert MADE == []


def what_is_said_of_a_call_is_bound_to_it() -> None:
    task = Task(ONE)
    task.run()
    session = json.loads(json.dumps(task.xcoms.xcoms[SESSION_KEY]))
    session["request"]["calls"][0]["description"] = "Only a dry run."
    task.xcoms.xcoms[SESSION_KEY] = session
    with raises(HITLRegenerationError, "request was changed"):
        task.decide(Action.APPROVE)
    assert MADE == []


def arguments_can_be_fixed() -> None:
    task = Task(TWO, "Done", allow_modifications=False)
    task.run()
    task.decide(Action.APPROVE, a=CallAnswer(args={"order": 1, "amount": 1}), b=CallAnswer(approved=True))
    assert "cannot be edited" in (task.xcoms.session.last_error or "")
    task.decide(Action.APPROVE, a=CallAnswer(approved=False))
    assert MADE == [("refund", 8, 1.0, "")]


def a_mask_is_never_an_argument() -> None:
    secret = [call("login", "s", user="ann", password="hunter2")]
    task = Task(secret, "Done")
    task.run()
    task.decide(Action.APPROVE, s=CallAnswer(args={"user": "*** bob", "password": "***"}))
    assert "stands for a secret" in (task.xcoms.session.last_error or "")
    assert MADE == []


def the_providers_xcoms_tell_of_the_whole_conversation() -> None:
    task = Task(ONE, "Done", enable_hitl_review=False)
    task.run()
    assert task.xcoms.xcoms["usage"]["requests"] == 1
    task.decide(Action.APPROVE)
    assert task.xcoms.xcoms["usage"]["requests"] == 2
    assert task.xcoms.xcoms["run_id"]


def odd_metadata_is_shown_as_text() -> None:
    class Client:
        def __str__(self) -> str:
            return "the client"

    def guarded(order: int) -> str:
        raise ApprovalRequired(metadata={"client": Client(), "share": float("nan")})

    def tools() -> FunctionToolset:
        found = FunctionToolset(id="shop")
        found.add_function(guarded)
        return found

    task = Task([call("guarded", "g", order=1)], "Done", tools=tools)
    task.run()
    request = task.xcoms.session.request
    assert request is not None
    assert request.calls[0].metadata == {"client": "the client", "share": "NaN"}


def the_providers_settings_of_a_pause_are_taken() -> None:
    given = {"tool_approval_timeout": timedelta(hours=1), "on_tool_approval_timeout": "deny"}
    operator = Scripted(task_id="t", prompt="p", llm_conn_id="x", toolsets=[shop()], **given)
    assert (operator.hitl_timeout, operator.on_hitl_timeout) == (timedelta(hours=1), "reject")


def what_cannot_wait_is_refused_when_the_dag_is_read() -> None:
    with raises(ValueError, "durable=True counts"):
        Scripted(task_id="t", prompt="p", llm_conn_id="x", toolsets=[shop()], durable=True)
    with raises(ValueError, "max_tool_requests"):
        Scripted(task_id="t", prompt="p", llm_conn_id="x", max_tool_requests=0)


def agents_cannot_ask_for_ever() -> None:
    task = Task(ONE, [call("refund", "b", order=1, amount=1.0)], "Done", max_tool_requests=1)
    task.run()
    with raises(HITLRegenerationError, "max_tool_requests=1"):
        task.decide(Action.APPROVE)


def polling_tasks_ask_too() -> None:
    task = Task(ONE, "Done", hitl_wait="poll", hitl_poll_interval=0.01)
    left = [Action.APPROVE, Action.APPROVE]

    def decided(key: str) -> None:
        if left and SESSION_KEY in task.xcoms.xcoms and task.status == "pending_review":
            task.xcoms.decide(left.pop())

    task.xcoms.before_pull = decided
    task.run()
    assert (MADE, task.result) == ([("refund", 7, 20.5, "")], "Done: refunded 7")


def a_polling_task_asks_after_an_output() -> None:
    task = Task("Draft", ONE, "Done", hitl_wait="poll", hitl_poll_interval=0.01)
    left = [(Action.APPROVE, ""), (Action.APPROVE, ""), (Action.CHANGES_REQUESTED, "refund it")]

    def decided(key: str) -> None:
        if left and SESSION_KEY in task.xcoms.xcoms and task.status == "pending_review":
            task.xcoms.decide(*left.pop())

    task.xcoms.before_pull = decided
    task.run()
    assert (MADE, task.result) == ([("refund", 7, 20.5, "")], "Done: refunded 7")
    assert task.xcoms.session.requests == [2]


STORIES = [
    calls_wait_and_are_made_once_they_are_approved,
    one_is_denied_and_one_edited,
    feedback_denies_all_and_costs_no_output,
    reject_ends_the_task,
    a_question_gets_its_answer,
    calls_alone_are_approved_without_a_review_of_the_output,
    secrets_are_masked_and_given_to_the_tool,
    what_was_changed_in_xcom_fails_the_task,
    a_request_that_xcom_hides_is_still_one,
    an_answer_about_other_calls_is_refused,
    other_toolsets_fail_the_task,
    approved_calls_are_not_made_twice,
    the_next_try_tells_what_was_begun,
    a_failure_after_the_calls_fails_the_task,
    the_clock_denies,
    a_failure_after_the_clock_has_denied_ends_the_task,
    an_output_does_not_become_a_request,
    what_is_said_of_a_call_is_bound_to_it,
    arguments_can_be_fixed,
    a_mask_is_never_an_argument,
    the_providers_xcoms_tell_of_the_whole_conversation,
    odd_metadata_is_shown_as_text,
    the_providers_settings_of_a_pause_are_taken,
    what_cannot_wait_is_refused_when_the_dag_is_read,
    agents_cannot_ask_for_ever,
    polling_tasks_ask_too,
    a_polling_task_asks_after_an_output,
]

if __name__ == "__main__":
    for story in STORIES:
        story()
        print("passed", story.__name__)  # noqa: T201 - its result

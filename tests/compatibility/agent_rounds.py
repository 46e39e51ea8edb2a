"""Reviews of agents whose XComs or outputs fail; run with the AI provider, see ``test_agent_rounds``.

Prints ``passed`` with the name of each story.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property, partial
from typing import Any

from airflow.sdk.exceptions import TaskAwaitingInput
from pydantic import BaseModel, field_validator
from pydantic_ai import Agent
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models.function import AgentInfo, FunctionModel

from airflow_hitl_review import HITLReviewMixin
from airflow_hitl_review.core.schema import SESSION_KEY, history_key, output_key
from airflow_hitl_review.core.states import Action, SessionStatus
from airflow_hitl_review.task import task_xcoms
from airflow_hitl_review.task.agent import AgentOperator
from tests.support.memory_xcoms import MemoryTask

vars(task_xcoms)["SECOND_TRIES"] = ()  # nothing waits


class Names(BaseModel):
    names: Iterable[str]


class Figure(BaseModel):
    revenue: float
    note: str = ""


def said(messages: list[ModelMessage]) -> list[str]:
    parts = [part for message in messages if isinstance(message, ModelRequest) for part in message.parts]
    return [str(part.content) for part in parts if isinstance(part, UserPromptPart)]


def repeat(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """All that was said so far."""
    return ModelResponse(parts=[TextPart(" / ".join(said(messages)))])


class Scripted(AgentOperator):
    """An agent that needs no key."""

    function: Any = staticmethod(repeat)
    make: Callable[[], Any] | None = None
    ran = 0

    @cached_property
    def llm_hook(self) -> Any:
        operator = self

        class Hook:
            def create_agent(self, *, output_type: Any, instructions: str, **more: Any) -> Any:
                operator.ran += 1
                return Agent(FunctionModel(operator.function), output_type=output_type, instructions=instructions)

        return Hook()

    def _complete_run(self, context: Any, result: Any, **more: Any) -> Any:
        if self.make is not None:
            result.output = self.make()
        return super()._complete_run(context, result, **more)


def agent(**given: Any) -> Scripted:
    return Scripted(task_id="t", prompt="first", llm_conn_id="x", enable_hitl_review=True, **given)


@contextmanager
def raises(kind: type[BaseException], words: str = "") -> Iterator[None]:
    """As pytest's, which is not in this environment."""
    try:
        yield
    except kind as error:
        if words not in str(error):
            raise
    else:
        raise AssertionError(f"{kind.__name__} was not raised")


def parked(call: Callable[[], Any]) -> None:
    with raises(TaskAwaitingInput):
        call()


def context(task: MemoryTask) -> Any:
    return {"ti": task, "task_instance": task}


def an_output_that_nobody_saw_is_never_the_result() -> None:
    for key in (history_key(2), output_key(2), SESSION_KEY):
        task = MemoryTask()
        parked(partial(agent().execute, context(task)))
        event = task.decide(Action.CHANGES_REQUESTED, "shorter")
        task.before_push = fail_once(key)
        parked(partial(agent().resume_hitl_review, context(task), event))
        assert task.session.current_output == "first", key
        # Another round: the agent has not heard of what nobody has seen.
        event = task.decide(Action.CHANGES_REQUESTED, "longer")
        parked(partial(agent().resume_hitl_review, context(task), event))
        assert task.session.current_output == "first / longer", key
        event = task.decide(Action.APPROVE)
        assert agent().resume_hitl_review(context(task), event) == "first / longer"


def fail_once(key: str) -> Callable[[str], None]:
    left = [ConnectionError("away")]

    def fail(written: str) -> None:
        if written == key and left:
            raise left.pop()

    return fail


def an_output_that_can_be_read_once_is_whole() -> None:
    task = MemoryTask()
    operator = agent(output_type=Names)
    operator.function = lambda messages, info: ModelResponse(
        parts=[ToolCallPart(info.output_tools[-1].name, {"names": ["Ann", "Bob"]})]
    )
    parked(partial(operator.execute, context(task)))
    assert json.loads(task.session.current_output) == {"names": ["Ann", "Bob"]}
    result = agent(output_type=Names).resume_hitl_review(context(task), task.decide(Action.APPROVE))
    assert list(result["names"] if isinstance(result, dict) else result.names) == ["Ann", "Bob"]


def nan_is_refused_before_anything_is_announced() -> None:
    for wait in ("park", "poll"):
        operator, task = agent(hitl_wait=wait), MemoryTask()
        operator.make = lambda: [Figure(revenue=1.0), Figure(revenue=math.nan)]
        with raises(TypeError, "[1].revenue is NaN"):
            operator.execute(context(task))
        assert task.shown == []


def nul_is_the_same_in_what_is_shown_and_returned() -> None:
    operator, task = agent(), MemoryTask()
    operator.make = lambda: "a\0b"
    parked(partial(operator.execute, context(task)))
    assert task.session.current_output == "a\ufffdb"
    assert agent().resume_hitl_review(context(task), task.decide(Action.APPROVE)) == "a\ufffdb"


def settings_are_checked_before_the_agent_is_paid() -> None:
    operator, task = agent(reviewers="{{ params.owners }}"), MemoryTask()
    operator.reviewers = 5  # type: ignore[assignment] # as a template gave it
    with raises(ValueError, "reviewers"):
        operator.execute(context(task))
    assert operator.ran == 0


def zeros_of_a_replaced_operator_are_taken_as_the_provider_takes_them() -> None:
    operator, task = agent(), MemoryTask()
    operator.hitl_poll_interval, operator.hitl_timeout, operator.max_hitl_iterations = 0, timedelta(0), 0
    parked(partial(operator.execute, context(task)))
    assert (task.session.deadline_at, task.session.max_iterations) == (None, 1)


def pydantic_ais_messages_are_kept_for_an_operator_of_somebodys_own() -> None:
    class Own(HITLReviewMixin):
        prompt = "p"
        histories: list[Any] = []  # noqa: RUF012

        def execute(self, context: Any) -> Any:
            messages = [ModelRequest(parts=[UserPromptPart("first")]), ModelResponse(parts=[TextPart("Draft 1")])]
            return self.run_hitl_review(context, "Draft 1", message_history=messages)

        def regenerate_with_feedback(self, *, feedback: str, message_history: Any) -> tuple[Any, Any]:
            self.histories.append(message_history)
            return "Draft 2", message_history

    task = MemoryTask()
    parked(partial(Own().execute, context(task)))
    event = task.decide(Action.CHANGES_REQUESTED, "shorter")
    parked(partial(Own().resume_hitl_review, context(task), event))
    (history,) = Own.histories
    assert [type(one) for one in history] == [ModelRequest, ModelResponse]
    assert said(history) == ["first"]
    assert task.session.status is SessionStatus.PENDING_REVIEW


def messages_that_cannot_be_stored_are_polled_for() -> None:
    class Own(HITLReviewMixin):
        prompt = "p"
        hitl_poll_interval = 0.001

        def execute(self, context: Any) -> Any:
            returned = ToolReturnPart("t", object(), tool_call_id="1")  # as a tool gave it
            return self.run_hitl_review(context, "Draft 1", message_history=[ModelRequest(parts=[returned])])

    task = MemoryTask()
    decided = list[str]()

    def decide(key: str) -> None:
        if key == SESSION_KEY and not decided:
            decided.append(key)
            task.decide(Action.APPROVE)

    task.before_pull = decide
    assert Own().execute(context(task)) == "Draft 1"
    assert "message_history_1" not in task.shown


class Sale(BaseModel):
    region: str
    revenue: int

    @field_validator("region")
    @classmethod
    def _known(cls, region: str) -> str:
        if region == "Nowhere":
            raise ValueError("there is no such region")
        return region


def seller(**given: Any) -> Scripted:
    """An agent whose output is a sale; its second one has what it was asked last as its region."""

    def sell(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        asked = said(messages)
        values = {"region": "North" if len(asked) == 1 else asked[-1], "revenue": len(asked)}
        return ModelResponse(parts=[ToolCallPart(info.output_tools[-1].name, values)])

    operator = agent(output_type=Sale, **given)
    operator.function = sell
    return operator


def result_of(task: MemoryTask, event: Any) -> Any:
    result = seller().resume_hitl_review(context(task), event)
    return result if isinstance(result, dict) else result.model_dump()


def an_edit_is_the_result_as_the_agents_own_type() -> None:
    task = MemoryTask()
    parked(partial(seller().execute, context(task)))
    assert task.session.allow_modifications
    assert task.session.output_schema is not None
    assert set(task.session.output_schema["properties"]) == {"region", "revenue"}
    event = task.decide(Action.APPROVE, edited='{"region": "South", "revenue": 9007199254740993}')
    operator = seller()
    result = operator.resume_hitl_review(context(task), event)
    assert operator._output_under_review == Sale(region="South", revenue=9007199254740993)
    assert type(operator._output_under_review) is Sale
    assert result in (operator._output_under_review, {"region": "South", "revenue": 9007199254740993})


def an_edited_text_is_the_result() -> None:
    task = MemoryTask()
    parked(partial(agent().execute, context(task)))
    assert agent().resume_hitl_review(context(task), task.decide(Action.APPROVE, edited="mine")) == "mine"


def an_edit_that_the_agents_type_refuses_goes_back() -> None:
    for edited, words in (
        ('{"region": "Nowhere", "revenue": 1}', "there is no such region"),
        ('{"region": "North"}', "revenue: Field required"),
    ):
        task = MemoryTask()
        parked(partial(seller().execute, context(task)))
        parked(partial(seller().resume_hitl_review, context(task), task.decide(Action.APPROVE, edited=edited)))
        assert task.session.status is SessionStatus.PENDING_REVIEW
        assert words in (task.session.last_error or "")
        assert [one.kind for one in task.session.failures] == ["edit"]
        assert result_of(task, task.decide(Action.APPROVE)) == {"region": "North", "revenue": 1}


def an_edit_with_feedback_reaches_the_conversation() -> None:
    task = MemoryTask()
    parked(partial(agent().execute, context(task)))
    event = task.decide(Action.CHANGES_REQUESTED, "shorter", edited="my own words")
    parked(partial(agent().resume_hitl_review, context(task), event))
    asked = task.session.current_output
    assert asked.startswith("first / shorter\n")
    assert asked.endswith("my own words")
    assert agent().resume_hitl_review(context(task), task.decide(Action.APPROVE)) == asked


def review_when_gets_the_agents_own_type() -> None:
    seen = list[Any]()

    def never(output: Any) -> bool:
        seen.append(output)
        return False

    task = MemoryTask()
    result = seller(review_when=never).execute(context(task))
    assert seen == [Sale(region="North", revenue=1)]
    assert (result if isinstance(result, dict) else result.model_dump()) == {"region": "North", "revenue": 1}
    assert task.session.decisions[-1].channel == "policy"


def edits_can_be_switched_off() -> None:
    task = MemoryTask()
    parked(partial(seller(allow_modifications=False).execute, context(task)))
    assert "allow_modifications is False" in (task.session.modifications_refused or "")
    event = task.decide(Action.APPROVE, edited='{"region": "South", "revenue": 2}')
    parked(partial(seller(allow_modifications=False).resume_hitl_review, context(task), event))
    assert "allow_modifications is False" in (task.session.last_error or "")


STORIES = [
    an_edit_is_the_result_as_the_agents_own_type,
    an_edited_text_is_the_result,
    an_edit_that_the_agents_type_refuses_goes_back,
    an_edit_with_feedback_reaches_the_conversation,
    review_when_gets_the_agents_own_type,
    edits_can_be_switched_off,
    an_output_that_nobody_saw_is_never_the_result,
    an_output_that_can_be_read_once_is_whole,
    nan_is_refused_before_anything_is_announced,
    nul_is_the_same_in_what_is_shown_and_returned,
    settings_are_checked_before_the_agent_is_paid,
    zeros_of_a_replaced_operator_are_taken_as_the_provider_takes_them,
    pydantic_ais_messages_are_kept_for_an_operator_of_somebodys_own,
    messages_that_cannot_be_stored_are_polled_for,
]

if __name__ == "__main__":
    for story in STORIES:
        story()
        print("passed", story.__name__)  # noqa: T201 - its result

"""The last output of an agent, or what it asks, and the conversation that led to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from airflow.providers.common.ai.utils.output_type import dump_output_for_display
from pydantic import TypeAdapter
from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter
from pydantic_ai.usage import RunUsage

from airflow_hitl_review.task import typed_outputs
from airflow_hitl_review.task.agent_request import AgentRequest
from airflow_hitl_review.task.json_values import NotJSONError, Shown, as_json_value
from airflow_hitl_review.task.output_edits import Editing, editing_of

USAGE: TypeAdapter[RunUsage] = TypeAdapter(RunUsage)
"""Reads and writes usage as JSON values."""


@dataclass(frozen=True)
class AgentTurn:
    """The agent's last output and the conversation that led to it.

    Attributes:
        messages: the conversation that the agent continues.
        given: its last output, of the declared type.
        kept: the output as stored by ``typed_outputs.keep``; None if it would not be restored the same.
        output_type: the declared type.
        asks: what the agent asks before it goes on; there is no output then.
        requests: how often it has asked in this task, this time included.
    """

    messages: Sequence[ModelMessage]
    given: Any
    kept: dict[str, Any] | None
    output_type: Any
    asks: AgentRequest | None = None
    requests: int = 0

    @property
    def output(self) -> Any:
        """The output, a new object each time: parts such as an ``Iterable[str]`` may be readable only once."""
        return typed_outputs.restore(self.kept, self.output_type) if self.kept is not None else self.given

    @property
    def member(self) -> Any:
        """The member of ``output_type`` that the output is of; only if it is kept."""
        assert self.kept is not None
        return typed_outputs.member_of(self.kept, self.output_type)

    def editing(self, shown: Shown) -> Editing:
        """Whether reviewers may edit the output."""
        if self.kept is None:
            why = "it could not be written as JSON and read back as the agent's output_type"
            return Editing(f"The output cannot be edited: {why}.")
        return editing_of(shown, self.member)

    @property
    def shown(self) -> Any:
        """What the reviewer sees: JSON values, or the provider's text for an output that is not JSON."""
        if self.asks is not None:
            return self.asks.shown
        output = self.output
        try:
            return output if isinstance(output, str) else as_json_value(output)
        except NotJSONError:
            return dump_output_for_display(output)

    @property
    def why_not_kept(self) -> str | None:
        """Why the output cannot be stored while the task waits; None if it can."""
        if self.kept is not None or self.asks is not None:
            return None
        return (
            f"This {type(self.given).__name__} cannot be stored as JSON and read back unchanged as "
            f"output_type {self.output_type!r}. Choose an output_type that pydantic can write and read."
        )

    def dumped(self, toolset_ids: Callable[[], list[str]], usage: RunUsage | None) -> dict[str, Any]:
        """The turn as JSON values.

        Args:
            toolset_ids: returns the ids of the agent's toolsets; called only once the agent has asked.
            usage: what counts against the agent's ``usage_limits``.
        """
        more: dict[str, Any] = {}
        if self.requests:
            asks = self.asks.dumped() if self.asks is not None else None
            more = {"requests": self.requests, "asks": asks, "toolset_ids": toolset_ids()}
        return {
            **more,
            "messages": ModelMessagesTypeAdapter.dump_python(list(self.messages), mode="json"),
            "output": self.kept,
            "usage": USAGE.dump_python(usage, mode="json") if usage is not None else None,
        }

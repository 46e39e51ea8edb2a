"""The last output of an agent, or what it asks, and the conversation that led to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from airflow.providers.common.ai.utils.output_type import dump_output_for_display
from pydantic_ai.messages import ModelMessage

from airflow_hitl_review.task import typed_outputs
from airflow_hitl_review.task.agent_request import AgentRequest
from airflow_hitl_review.task.json_values import NotJSONError, Shown, as_json_value
from airflow_hitl_review.task.output_edits import Editing, editing_of


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

"""What an agent asks before it goes on, as frozen dataclasses: calls of tools, and questions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class ToolCall:
    """A call that an agent wants to make, or a question of it.

    Attributes:
        tool_call_id: the model's id of the call, by which it is answered.
        tool_name: the tool.
        kind: ``"approval"`` or ``"question"``.
        description: what the tool does.
        metadata: what the tool says of this call, if anything.
    """

    tool_call_id: str
    tool_name: str
    kind: str = "approval"
    description: str = ""
    metadata: dict[str, Any] | None = None


@dataclass(frozen=True)
class BegunCalls:
    """Approved calls that an earlier try of the task has begun to make; whether it has made them is not known.

    Attributes:
        try_number: number of the try.
        at: when; timezone-aware.
        calls: each as one would write it in Python, with secrets masked.
    """

    try_number: int
    at: datetime
    calls: tuple[str, ...]


@dataclass(frozen=True)
class ToolRequest:
    """What an agent asks before it goes on.

    Attributes:
        kind: ``"tool_calls"``, or ``"question"`` if all calls are questions.
        calls: in the model's order; ``Review.output`` has their arguments.
        earlier: what earlier tries of the task have begun: side effects may have happened.
    """

    kind: str
    calls: tuple[ToolCall, ...]
    earlier: tuple[BegunCalls, ...] = ()

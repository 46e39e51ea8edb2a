"""What a task did to make an output, and what it does just now, as the API tells it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class TraceStep:
    """One step of a task, with long texts cut and secrets masked.

    Attributes:
        kind: ``"tool"``, ``"thinking"`` or ``"text"``.
        name: of the tool.
        args: the call's arguments, as JSON or text.
        result: what the tool gave back, or the text.
        is_error: whether it failed.
        seconds: how long it took, if known.
    """

    kind: str = "tool"
    name: str = ""
    args: str = ""
    result: str = ""
    is_error: bool = False
    seconds: float | None = None


@dataclass(frozen=True)
class Trace:
    """What a task did to make an output.

    Attributes:
        steps: the steps, oldest first.
        left_out: number of steps that are not among them.
        tool_calls: number of all calls of tools.
        requests: number of requests to models, if known.
        input_tokens: tokens that models read, if known.
        output_tokens: tokens that models wrote, if known.
        cost: in US dollars, if known.
        seconds: from the first step to the last, if known.
    """

    steps: tuple[TraceStep, ...] = ()
    left_out: int = 0
    tool_calls: int = 0
    requests: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: float | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Progress:
    """What a task does while it makes an output that nobody has seen.

    Attributes:
        at: when it said so; timezone-aware.
        iteration: number of the output.
        text: what it does, in one sentence.
        fraction: how much of it is done, 0 to 1, if known.
        steps: the last steps, at most 20, oldest first.
        left_out: number of steps before those.
        partial: the end of the output, as far as it is made; at most 2,000 characters.
    """

    at: datetime
    iteration: int = 1
    text: str = ""
    fraction: float | None = None
    steps: tuple[TraceStep, ...] = ()
    left_out: int = 0
    partial: str = ""


@dataclass(frozen=True)
class ReviewProgress:
    """What a task does just now.

    Attributes:
        version: changes with the review.
        being_made: whether the task makes an output, the next one or the first.
        progress: what it says of that, if it says something.
    """

    version: str
    being_made: bool
    progress: Progress | None = None

"""What a task did to make an output: its steps, shortened for XCom and for reading. No Airflow imports."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from airflow_hitl_review.core.texts import Text

MAX_BYTES = 32 * 1024
"""Of a trace as JSON in ASCII, as databases get it."""

_LENGTHS = (2_000, 1_000, 500, 250, 120, 60)
"""Lengths, in characters, to which texts are cut until the trace fits."""

_COUNTS = (150, 60, 30, 10)
"""If it still does not fit, so many steps are kept: a third at its beginning, and the others at its end."""

Finite = Annotated[float, Field(allow_inf_nan=False)]
StepKind = Literal["tool", "thinking", "text"]


class TraceStep(BaseModel):
    """One step.

    Attributes:
        kind: ``"tool"``: a call of a tool; ``"thinking"``: what the model thought; ``"text"``: what it said beside.
        name: of the tool.
        args: the call's arguments, as JSON or text.
        result: what the tool gave back, or the text.
        is_error: the tool failed, or its arguments were refused.
        seconds: how long it took, if known.
    """

    model_config = ConfigDict(extra="ignore")

    kind: StepKind = "tool"
    name: Text = ""
    args: Text = ""
    result: Text = ""
    is_error: bool = False
    seconds: Finite | None = None


class Trace(BaseModel):
    """The steps between two outputs.

    Attributes:
        left_out: number of steps between the first and the last ones that are not told.
        tool_calls: number of all calls of tools.
        requests: number of requests to models, if known.
        input_tokens: tokens that models read, if known.
        output_tokens: tokens that models wrote, if known.
        cost: in US dollars, if known.
        seconds: from the first step to the last, if known.
    """

    model_config = ConfigDict(extra="ignore")

    steps: list[TraceStep] = Field(default_factory=list)
    left_out: int = 0
    tool_calls: int = 0
    requests: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: Finite | None = None
    seconds: Finite | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to tell."""
        return not self.steps and not self.requests

    def fitted(self) -> Trace:
        """The trace with texts cut, and steps left out if need be, so that it has at most ``MAX_BYTES``."""
        for length in _LENGTHS:
            cut = self.model_copy(update={"steps": [cut_step(step, length) for step in self.steps]})
            if _size(cut) <= MAX_BYTES:
                return cut
        for count in _COUNTS:
            kept = [*cut.steps[: count // 3], *cut.steps[-(count - count // 3) :]]
            left_out = self.left_out + len(cut.steps) - len(kept)
            fewer = cut.model_copy(update={"steps": kept, "left_out": left_out})
            if _size(fewer) <= MAX_BYTES:
                break
        return fewer

    def stored(self) -> dict[str, Any]:
        """The trace as XCom holds it."""
        return self.model_dump(mode="json", exclude_defaults=True)


def read_trace(value: Any) -> Trace | None:
    """A trace as it is stored; None if it is not one, or longer than any that we store."""
    try:
        trace = Trace.model_validate(value)
        return trace if _size(trace) <= MAX_BYTES else None
    except (ValueError, RecursionError):
        return None


def total(numbers: Sequence[float | None]) -> float | None:
    """The sum of the known numbers; None if none is known."""
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None


def _size(trace: Trace) -> int:
    return len(json.dumps(trace.stored()))


def cut_step(step: TraceStep, length: int) -> TraceStep:
    """A step whose texts have at most so many characters, and a note of what is left out."""
    short = {name: _shortened(getattr(step, name), length) for name in ("name", "args", "result")}
    return step.model_copy(update=short)


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[:length]}… ({len(text):,} characters)"

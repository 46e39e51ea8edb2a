"""What a task does just now to make its next output. No Airflow imports."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from airflow_hitl_review.core.texts import Text, Time
from airflow_hitl_review.core.trace import TraceStep, cut_step

MAX_STEPS = 20
"""So many steps are told, the last ones."""

MAX_PARTIAL = 2_000
"""Characters of the output as far as it is made; its end is told."""

_MAX_TEXT = 500
_MAX_STEP = 200

Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Progress(BaseModel):
    """What a task does for an output that nobody has seen.

    Attributes:
        iteration: number of that output.
        at: when the task said so.
        text: what it does, in one sentence.
        fraction: how much of it is done, 0 to 1, if known.
        steps: the last steps, such as calls of tools.
        left_out: number of steps before those.
        partial: the end of the output, as far as it is made.
    """

    model_config = ConfigDict(extra="ignore")

    iteration: int = Field(default=1, ge=1)
    at: Time
    text: Text = Field(default="", max_length=_MAX_TEXT)
    fraction: Fraction | None = None
    steps: list[TraceStep] = Field(default_factory=list, max_length=MAX_STEPS)
    left_out: int = Field(default=0, ge=0)
    partial: Text = Field(default="", max_length=MAX_PARTIAL)

    def stored(self) -> dict[str, Any]:
        """The progress as XCom holds it."""
        return self.model_dump(mode="json", exclude_defaults=True)


def read_progress(value: Any) -> Progress | None:
    """A progress as it is stored; None if it is not one, or longer than any that we store."""
    try:
        progress = Progress.model_validate(value)
    except (ValueError, RecursionError):
        return None
    is_long = any(len(text) > 2 * _MAX_STEP for one in progress.steps for text in (one.name, one.args, one.result))
    return None if is_long else progress


def one_sentence(text: str) -> str:
    """A text as ``Progress.text`` takes it."""
    return text if len(text) <= _MAX_TEXT else f"{text[: _MAX_TEXT - 1]}…"


def last_steps(steps: Iterable[TraceStep]) -> list[TraceStep]:
    """Steps as ``Progress.steps`` takes them."""
    return [cut_step(step, _MAX_STEP) for step in steps][-MAX_STEPS:]

"""Whether the API server has confirmed a decision in XCom: anybody who may edit XComs could have written it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from airflow_hitl_review.core.audit_record import confirms
from airflow_hitl_review.core.schema import Decision
from airflow_hitl_review.core.texts import sha256_of

Verdict = Literal["confirmed", "unconfirmed", "refused"]


class Confirmation:
    """What the event that resumed a task confirms.

    After a resume, and always if there are reviewers, only a decision that the API server has confirmed counts.

    Args:
        reviewers: ids of the only people who may decide, from the DAG, not from XCom; empty for all who may.
        is_resumed: whether the task was resumed.
        event: the event that resumed it.
    """

    def __init__(self, reviewers: Sequence[str], *, is_resumed: bool, event: Mapping[str, Any] | None) -> None:
        self.reviewers = reviewers
        self._is_resumed = is_resumed
        self._event = event

    @property
    def is_needed(self) -> bool:
        """Whether a decision must be confirmed."""
        return bool(self.reviewers) or self._is_resumed

    @property
    def tells_of_a_decision(self) -> bool:
        """Whether the event that resumed the task has a decision that was not judged yet."""
        return self._event is not None and "decided" in self._event

    def of(self, decision: Decision | None, output: str, edited_output: str | None) -> Verdict:
        """Judge a decision that is in XCom; the event confirms one decision.

        Args:
            decision: the decision; None if it is missing.
            output: the current output.
            edited_output: the output as the reviewer edited it, if they did.
        """
        given = sha256_of(edited_output) if edited_output is not None else None
        is_whole = decision is None or decision.edited_output_sha256 in (None, given)
        if not self.is_needed:
            return "confirmed" if is_whole else "refused"
        event, self._event = self._event, None
        if decision is not None and is_whole and confirms(event, decision, output, edited_output, self.reviewers):
            self._is_resumed = False
            return "confirmed"
        if decision is not None and event is not None and "decided" in event:
            return "refused"  # XCom has changed since, or an API without reviewers decided
        return "unconfirmed"

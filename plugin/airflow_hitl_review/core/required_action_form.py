"""A review as one of Airflow's Required Actions: the form and its answer. No Airflow imports.

Airflow shows a row of its table ``hitl_detail`` as a form, whose buttons are the options and whose fields are the
params. It lists a row as pending while nobody has answered it and its task instance is ``awaiting_input`` or
``deferred`` (the state filter of ``useHITLPendingTasks`` in its UI, and ``has_pending_actions`` of its API); so a
polling review, whose task instance is ``running``, would never be listed, and has no row.

Airflow 3.3 never changes the texts of a row, not even for another round or another try. So the form contains
nothing that changes, except the hidden param ``output``, which our API server keeps up to date.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow_hitl_review.core.schema import AgentSession, Decision, TaskKey, User
from airflow_hitl_review.core.site import Site
from airflow_hitl_review.core.states import Action

ACTIONS = {
    "Approve": Action.APPROVE,
    "Request changes": Action.CHANGES_REQUESTED,
    "Reject": Action.REJECT,
}
"""Maps each option of the form, in button order, to its action."""

OPTIONS = tuple(ACTIONS)

FEEDBACK = "feedback"
"""Param with the reviewer's feedback."""

OUTPUT = "output"
"""Hidden param with the number of the output under review. The form sends it back unchanged."""


@dataclass(frozen=True)
class Form:
    """The form that Airflow shows.

    Attributes:
        subject: one line.
        body: Markdown. It does not contain the output, which would stay there in the next round.
        params: fields, each as Airflow serializes a ``Param``.
    """

    subject: str
    body: str
    params: dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """The answer stored in a row.

    Attributes:
        option: the chosen option.
        params: values of the fields.
        user: who answered, if known.
        at: when, timezone-aware; None if unknown.
    """

    option: str
    params: dict[str, Any]
    user: User | None
    at: datetime | None


def form_of(key: TaskKey, session: AgentSession, site: Site) -> Form:
    """The form for a review.

    Args:
        key: its task instance.
        session: the review as it is stored.
        site: URLs for the links.
    """
    return Form(
        subject=f"Review output of {key.task_id}",
        body=(
            f"[Open the review]({site.links_of(key)['chat']}) to see the output "
            "and what was said about it.\n\nAn answer given here counts like one given there."
        ),
        params={
            FEEDBACK: {
                "value": "",
                "description": "What to change, or why it is rejected. Requesting changes needs it.",
                # Without null, Airflow's form would require a text for every answer.
                "schema": {"type": ["string", "null"], "title": "Feedback", "format": "multiline"},
            },
            OUTPUT: output_param(session.iteration),
        },
    )


def output_param(iteration: int) -> dict[str, Any]:
    """The hidden param: Airflow's form shows no field for a param whose schema has ``const``."""
    return {
        "value": iteration,
        "description": "Number of the output",
        "schema": {"type": "integer", "title": "Output", "const": iteration},
    }


def is_ours(options: Sequence[str], params: Mapping[str, Any]) -> bool:
    """Whether a row of Airflow's table has our form; other operators have other forms."""
    return tuple(options) == OPTIONS and OUTPUT in params


def answer_of(decision: Decision) -> Answer:
    """Convert a decision, wherever it was taken, to an answer of the form."""
    option = next(option for option, meant in ACTIONS.items() if meant is decision.action)
    params = {FEEDBACK: decision.feedback, OUTPUT: decision.iteration}
    return Answer(option, params, decision.user, decision.at)

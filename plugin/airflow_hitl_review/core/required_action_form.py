"""A review as one of Airflow's Required Actions: the form and its answer. No Airflow imports.

Airflow shows a row of its table ``hitl_detail`` as a form, whose buttons are the options and whose fields are the
params. It lists a row as pending while nobody has answered it and its task instance is ``awaiting_input`` or
``deferred`` (the state filter of ``useHITLPendingTasks`` in its UI, and ``has_pending_actions`` of its API); so a
polling review, whose task instance is ``running``, would never be listed, and has no row.

Airflow 3.3 never changes the texts of a row, not even for another round or another try. So our API server writes
the form of each new output into the row, in the transaction that stores the output (``server.db.hitl_detail``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow_hitl_review.core.schema import AgentSession, Decision, User
from airflow_hitl_review.core.site import Site
from airflow_hitl_review.core.states import Action
from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.core.texts import sha256_of, storable
from airflow_hitl_review.core.tool_calls import RequestKind
from hitl_rendering.one_line import title_of
from hitl_rendering.quoted import quoted
from hitl_rendering.review_words import round_words

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

OUTPUT_SHA256 = "output_sha256"
"""Hidden param with that output's digest: another try has an output of the same number."""

EDITED_OUTPUT = "edited_output"
"""Param with the output, for the reviewer to edit. It is text also where the output is JSON: of JSON, the form
would send back rounded numbers. Missing where the output cannot be edited, or the form cannot carry it."""

_STAYS_TEXT = "\u00a0"
"""Ends the JSON of an object in the form. Airflow's form parses a text that is such JSON, shows it as
``[object Object]``, and sends back rounded numbers; with a no-break space after it, it is no JSON."""

MAX_SHOWN = 8_000
"""Characters of the output that the form shows; the review's page has all of it."""

MAX_BODY_BYTES = 65_535
"""Length of Airflow's column on MySQL. Quoting makes an output longer, as it escapes Markdown's marks."""


_ASKED: dict[RequestKind, str] = {
    "tool_calls": "**Approve** lets the agent make these calls. **Request changes** denies them: the agent reads "
    "your feedback, and goes on. On the review's page each call can be answered in detail.",
    "question": "Write your answer as feedback, and choose **Request changes**: the agent reads it, and goes on.",
}


@dataclass(frozen=True)
class Form:
    """The form that Airflow shows.

    Attributes:
        subject: one line: what the prompt says first.
        body: Markdown, with the output.
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
    params = {
        FEEDBACK: {
            "value": "",
            "description": "What to change, why it is rejected, or a comment. Requesting changes needs it.",
            # Without null, Airflow's form would require a text for every answer.
            "schema": {"type": ["string", "null"], "title": "Feedback", "format": "multiline"},
        },
        OUTPUT: _hidden("integer", "Output", "Number of the output", session.iteration),
        OUTPUT_SHA256: _hidden("string", "Digest", "Digest of the output", sha256_of(session.current_output)),
    }
    text = _editable(session)
    if text is not None:
        params[EDITED_OUTPUT] = {
            "value": text,
            "description": "Approve, or request changes to, this version of the output."
            if session.request is None
            else "Approve this version: of each call its arguments, whether it is approved, and why not.",
            "schema": {
                "type": "string",
                "title": "The output",
                "format": "multiline",
                "section": "Edit the output",
            },
        }
    subject = storable(title_of(session.prompt)) or f"Review output of {key.task_id}"
    return Form(subject, _body(session, site.links_of(key)["chat"]), params)


def _editable(session: AgentSession) -> str | None:
    """The output as the form's text field has it; None if it cannot be edited there."""
    text = session.current_output
    # A browser's text field has no carriage returns, and an empty one comes back as nothing.
    if not session.allow_modifications or not 0 < len(text) <= MAX_SHOWN or "\r" in text:
        return None
    if not text.lstrip().startswith("{"):
        return text
    return text + _STAYS_TEXT if session.output_format == "json" else None


def edited_output_in(given: Mapping[str, Any], form: Mapping[str, Any]) -> Any:
    """The output as the reviewer edited it, or left it; None where the answer has none.

    Args:
        given: values of the fields.
        form: the form's own params.
    """
    text = given.get(EDITED_OUTPUT)
    param = form.get(EDITED_OUTPUT)
    shown = param.get("value") if isinstance(param, Mapping) else param
    if isinstance(text, str) and isinstance(shown, str) and shown.lstrip().startswith("{"):
        return text.strip()  # of JSON: no space around it means anything
    return text


def _body(session: AgentSession, page: str, limit: int = MAX_SHOWN) -> str:
    """The output between our own words, which it cannot imitate; its first ``limit`` characters, or fewer."""
    shown, length = quoted(session.current_output, session.output_format, limit)
    if not session.current_output.strip():
        shown = "The output is empty."
    heading = round_words(session.iteration, session.max_iterations)
    asks = session.request is not None
    parts = [f"**What the agent asks in {heading}**" if asks else f"**Output of {heading}**", shown]
    if length > limit:
        parts.append(
            f"**Only the first {limit:,} of {length:,} characters are shown.** "
            f"[Read the whole output]({page}) before you decide."
        )
    if session.request is not None:
        for begun in session.request.earlier:
            calls, _ = quoted("\n".join(begun.calls), "text", limit)
            parts.append(f"**Try {begun.try_number} began these calls. Look whether they were made:**\n\n{calls}")
        parts.append(_ASKED[session.request.kind])
    parts.append(
        f"[Open the review]({page}) to see what was said about it. "
        "An answer given here counts like one given there."
    )
    body = "\n\n".join(parts)
    return body if len(body.encode()) <= MAX_BODY_BYTES or not limit else _body(session, page, limit // 2)


def _hidden(type_: str, title: str, description: str, value: object) -> dict[str, Any]:
    """A hidden param: Airflow's form shows no field for a param whose schema has ``const``."""
    return {"value": value, "description": description, "schema": {"type": type_, "title": title, "const": value}}


def is_ours(options: Sequence[str], params: Mapping[str, Any]) -> bool:
    """Whether a row of Airflow's table has our form; other operators have other forms."""
    return tuple(options) == OPTIONS and OUTPUT in params


def answer_of(decision: Decision) -> Answer:
    """Convert a decision, wherever it was taken, to an answer of the form."""
    option = next(option for option, meant in ACTIONS.items() if meant is decision.action)
    params = {FEEDBACK: decision.feedback, OUTPUT: decision.iteration}
    return Answer(option, params, decision.user, decision.at)

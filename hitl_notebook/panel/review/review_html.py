"""The open review as HTML: prompt, conversation, changes, and the output to decide on."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from hitl_notebook.records import CHANGES_REQUESTED, Review, Turn
from hitl_rendering import render
from hitl_rendering.deciders import decider_words, turn_person, turn_words
from hitl_rendering.decision_words import GOING_ON, WORKING
from hitl_rendering.output_box import change_box, edit_box, output_box, output_fold, output_label
from hitl_rendering.plain_text import inline, isolated
from hitl_rendering.review_words import deadline_words, round_words, state_of, task_name
from hitl_rendering.rounds import Round, rounds_of

_PREPARING = threading.Lock()


def prepare(review: Review) -> None:
    """Render the slow parts in advance, so that showing the review is fast. Thread-safe."""
    with _PREPARING:  # otherwise two threads would do the same work
        conversation_html(review)
        output_html(review)


def head_html(review: Review, user_id: str | None = None, links: str = "") -> str:
    """Return name, state, these links and the prompt as HTML; for this user, if known."""
    key = review.key
    pill, words = state_of(
        review.status,
        task_completed=review.task_completed,
        for_you=not review.leaves_out(user_id),
        edited=review.edited,
        channel=review.channel,
        request_kind=review.request_kind,
    )
    facts = [round_words(review.iteration, review.max_iterations), f"run {isolated(key.run_id)}"]
    if review.deadline_at is not None and review.is_pending:
        words_then = deadline_words(review.on_hitl_timeout, review.request_kind)
        facts.append(words_then.format(render.time_html(review.deadline_at)))
    if review.reviewers and review.is_pending:
        names = ", ".join(map(isolated, review.reviewers))
        facts.append(f"only {names} may decide" if review.leaves_out(user_id) else f"to be decided by {names}")
    if review.dag_paused and not review.task_completed:
        facts.append(render.PAUSED_DAG)
    if who := decider_words(review.decided_by, review.acting_for, review.channel, isolated):
        facts.append(f"{who}, {render.time_html(review.decided_at)}" if review.decided_at is not None else who)
    return (
        f'<div class="hitl-name">{task_name(key, isolated)}</div>'
        f'<div class="hitl-meta"><span class="hitl-pill {pill}">{inline(words)}</span>'
        f"{' · '.join(facts)}</div>{links}"
        f'<div class="hitl-label">Task</div><div class="hitl-prompt">{inline(review.prompt)}</div>'
    )


def conversation_html(review: Review) -> str:
    """Return earlier outputs, their edits and feedback, oldest first; outputs and differences are collapsed.

    The feedback that led to the current output is not included: it is shown above that output.
    """
    parts = []
    for one in rounds_of(review).earlier:
        if one.edited_by is None and one.before is not None:
            parts.append(_card(one.said, change_box(one, is_open=False)))
        else:
            parts += map(_turn_html, one.said)
        if one.edited_by is not None:
            parts.append(_edit_html(one, one.edited_by, is_open=False))
            continue
        parts.append(
            f'<div class="hitl-turn"><details><summary>{one.noun.capitalize()}, '
            f"{render.time_html(one.timestamp)}</summary><div>{one.folded_html}{one.trace_html}</div></details></div>"
        )
    return '<div class="hitl-label">Conversation</div>' + "".join(parts) if parts else ""


def output_html(review: Review, display_as: str = "", way: str = "") -> str:
    """Return the current output; above it its feedback and changes, below it later turns.

    Args:
        review: the review.
        display_as: how the reader wants to see the output; empty for the usual way.
        way: how the reader wants to see its changes; likewise.
    """
    rounds = rounds_of(review, display_as=display_as, way=way)
    current, task = rounds.current, f"{review.key.dag_id}/{review.key.task_id}"
    approved = rounds.edit if review.status == "approved" else None
    said, change = "".join(map(_turn_html, current.said)), ""
    if current.before is not None:
        change = change_box(current, is_open=approved is None)
        if approved is None and not current.change_is_long:
            said, change = _card(current.said, change), ""
    if approved is not None:
        output = _approved_edit_html(approved, current, task)
    else:
        label = output_label(current, is_pending=review.is_pending)
        output = f'<div class="hitl-label">{label}</div>{output_box(current, label, task)}'
    edits = ""
    for edit in rounds.edits:
        edits += "".join(map(_turn_html, edit.said))
        if edit.edited_by is not None and edit is not approved:
            edits += _edit_html(edit, edit.edited_by, is_open=True)
    since = "".join(map(_turn_html, rounds.since))
    working = (
        f'<div class="hitl-meta">{WORKING if review.request_kind is None else GOING_ON}</div>'
        if review.status == CHANGES_REQUESTED and not review.task_completed
        else ""
    )
    return f"{said}{output}{change}{edits}{since}{working}"


def _approved_edit_html(edit: Round[Turn], original: Round[Turn], task: str) -> str:
    """Return the result of a review whose output was edited, and folded the output itself."""
    assert edit.edited_by is not None
    number = edit.iteration
    return (
        f'<div class="hitl-label">Approved as edited by {turn_person(edit.edited_by, isolated)}</div>'
        f"{output_box(edit, f'Output {number} as edited', task)}"
        f"{change_box(edit, is_open=True) if edit.before is not None else ''}"
        f"{output_fold(original, f'Output {number} as the task made it')}"
    )


def _edit_html(edit: Round[Turn], turn: Turn, *, is_open: bool) -> str:
    """Render an edit: who made it, and what changed."""
    return (
        f'<div class="hitl-turn human"><div class="hitl-meta">{turn_words(turn, isolated)}, '
        f"{render.time_html(turn.timestamp)}</div>{edit_box(edit, is_open=is_open)}</div>"
    )


def _card(said: Sequence[Turn], change: str) -> str:
    """Return a difference together with the feedback that led to it."""
    if not said:
        return f'<div class="hitl-turn">{change}</div>'
    turns = "".join(map(_turn_html, said))
    beside = f"<div>{turns}</div>" if len(said) > 1 else turns
    return f'<div class="hitl-change">{beside}{change}</div>'


def _turn_html(turn: Turn) -> str:
    """Render one turn: feedback of a user, or an error of the task."""
    css = "error" if turn.kind == "error" else "human"
    return (
        f'<div class="hitl-turn {css}"><div class="hitl-meta">{turn_words(turn, isolated)}, '
        f'{render.time_html(turn.timestamp)}</div><div class="hitl-said">{inline(turn.content)}</div></div>'
    )

"""The open review as HTML: prompt, conversation, changes, and the output to decide on."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from hitl_notebook.client.records import CHANGES_REQUESTED, PENDING, Review, Turn
from hitl_notebook.words import words_for
from hitl_rendering import render
from hitl_rendering.changes import changes
from hitl_rendering.render import inline

_PILLS = {PENDING: "wait", CHANGES_REQUESTED: "busy", "approved": "good"}
_PREPARING = threading.Lock()


def prepare(review: Review) -> None:
    """Render the slow parts in advance, so that showing the review is fast. Thread-safe."""
    with _PREPARING:  # otherwise two threads would do the same work
        conversation_html(review)
        output_html(review)


def head_html(review: Review, user_id: str | None = None) -> str:
    """Return name, state and prompt as HTML; for this user, if known."""
    key = review.key
    mapped = f" [{key.map_index}]" if key.map_index >= 0 else ""
    pill = "bad" if review.is_abandoned else _PILLS.get(review.status, "bad")
    facts = [f"output {review.iteration} of at most {review.max_iterations}", f"run {_name(key.run_id)}"]
    if review.deadline_at is not None and review.is_pending:
        facts.append(f"decide before {render.time_html(review.deadline_at)}")
    if review.reviewers and review.is_pending:
        names = ", ".join(map(_name, review.reviewers))
        facts.append(f"only {names} may decide" if review.leaves_out(user_id) else f"to be decided by {names}")
    if review.dag_paused and not review.task_completed:
        facts.append(render.PAUSED_DAG)
    if review.decided_by is not None and review.decided_at is not None:
        facts.append(f"decided by {_name(review.decided_by.name)}, {render.time_html(review.decided_at)}")
    return (
        f'<div class="hitl-name">{_name(key.dag_id)} › {_name(key.task_id)}{mapped}</div>'
        f'<div class="hitl-meta"><span class="hitl-pill {pill}">{inline(words_for(review, user_id))}</span>'
        f"{' · '.join(facts)}</div>"
        f'<div class="hitl-label">Task</div><div class="hitl-prompt">{inline(review.prompt)}</div>'
    )


def conversation_html(review: Review) -> str:
    """Return earlier outputs and their feedback, oldest first; outputs and differences are collapsed.

    The feedback that led to the current output is not included: it is shown above that output.
    """
    parts: list[str] = []
    last: Turn | None = None
    said: list[Turn] = []
    for turn in _before(review):
        if turn.kind != "output":
            said.append(turn)
            continue
        if last is None:
            parts += map(_turn_html, said)
        else:
            heading = f"Changes from output {last.iteration} to output {turn.iteration}"
            shown = _change_html(heading, last.content, turn.content, review.output_format, is_open=False)
            parts.append(_card(said, shown))
        shown = render.earlier_output(turn.content, review.output_format)
        parts.append(
            f'<div class="hitl-turn"><details><summary>Output {turn.iteration}, '
            f"{render.time_html(turn.timestamp)}</summary><div>{shown}</div></details></div>"
        )
        last, said = turn, []
    return '<div class="hitl-label">Conversation</div>' + "".join(parts) if parts else ""


def output_html(review: Review) -> str:
    """Return the current output; above it its feedback and changes, below it later turns."""
    before = _before(review)
    ends = [number for number, turn in enumerate(before) if turn.kind == "output"]
    if ends:
        last = before[ends[-1]]
        heading = f"Changes since output {last.iteration}"
        shown = _change_html(heading, last.content, review.current_output, review.output_format, is_open=True)
        change = _card(before[ends[-1] + 1 :], shown)
    else:
        change = "".join(map(_turn_html, before))
    label = "Current output" if review.is_pending else f"Output {review.iteration}"
    since = "".join(_turn_html(turn) for turn in review.conversation[len(before) + 1 :])
    working = (
        '<div class="hitl-meta">The next output is being made. It appears here when it is ready.</div>'
        if review.status == CHANGES_REQUESTED and not review.task_completed
        else ""
    )
    shown = render.output(review.current_output, review.output_format)
    return (
        f'{change}<div class="hitl-label">{label}</div>'
        f'<div class="hitl-output" tabindex="0" role="region" aria-label="{label}">{shown}</div>'
        f"{_source_html(review)}{since}{working}"
    )


def _source_html(review: Review) -> str:
    """Return the raw text: rendered Markdown omits link URLs, titles and extra table cells."""
    if review.output_format == "json" or len(review.current_output) > render.MARKDOWN_LIMIT:
        return ""
    return (
        '<details class="hitl-source"><summary>As it was written</summary>'
        f"{render.plain(review.current_output)}</details>"
    )


def _before(review: Review) -> Sequence[Turn]:
    """Return the turns before the current output."""
    turns = review.conversation
    for number, turn in enumerate(turns):
        if turn.kind == "output" and turn.iteration == review.iteration:
            return turns[:number]
    return turns


def _card(said: Sequence[Turn], change: str) -> str:
    """Return a difference together with the feedback that led to it."""
    if not said:
        return f'<div class="hitl-turn">{change}</div>'
    turns = "".join(map(_turn_html, said))
    beside = f"<div>{turns}</div>" if len(said) > 1 else turns
    return f'<div class="hitl-change">{beside}{change}</div>'


def _change_html(heading: str, before: str, after: str, output_format: str, *, is_open: bool) -> str:
    words, shown = changes(before, after, output_format)
    if not shown:
        return f'<div class="hitl-meta">{heading}: {words}</div>'
    return (
        f"<details{' open' if is_open else ''}><summary>{heading}: {words}</summary>"
        f'<div class="hitl-diff" tabindex="0" role="region" aria-label="{heading}">{shown}</div></details>'
    )


def _turn_html(turn: Turn) -> str:
    """Render one turn: feedback of a user, or an error of the task."""
    if turn.kind == "error":
        name, css = "Task", "error"
    else:
        name, css = _name(turn.user.name) if turn.user else "Reviewer", "human"
    about = f" on output {turn.iteration}" if turn.kind == "feedback" else ""
    return (
        f'<div class="hitl-turn {css}"><div class="hitl-meta">{name}{about}, {render.time_html(turn.timestamp)}'
        f'</div><div class="hitl-said">{inline(turn.content)}</div></div>'
    )


def _name(text: str) -> str:
    """Render a name or an id; bidirectional control characters in it do not affect other text."""
    return f"<bdi>{inline(text)}</bdi>"

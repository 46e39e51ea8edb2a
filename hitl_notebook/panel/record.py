"""What a saved notebook keeps of a panel: a static record of what was listed, open and decided.

The record is an output of its own, after the panel's. As a part of the panel's output it would do harm: JupyterLab
makes the view of an output anew whenever the output is updated, and what the reader has focused, scrolled to or
unfolded is lost. A style hides the record while the panel is alive; without a kernel it hides the panel's output
instead, in which JupyterLab shows an error or, after a restart, icons of broken links.

After a reload of the page, the record is updated only when the cell is run again: JupyterLab forgets which output
it is.
"""

# IPython's functions have no type hints.
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace
from datetime import datetime, timezone

from IPython.display import display

from hitl_notebook.panel.actions import Action
from hitl_notebook.panel.background import Background
from hitl_notebook.panel.workspace import Workspace
from hitl_notebook.records import Review, ReviewKey, ReviewSummary, User
from hitl_rendering import render
from hitl_rendering.deciders import decider_words
from hitl_rendering.plain_text import inline, isolated
from hitl_rendering.review_words import state_of, task_name
from hitl_rendering.rounds import rounds_of

PAUSE = 3.0
"""Seconds in which changes are collected before the record is written."""

MOST_ROWS = 50
"""Reviews in a record; those that were decided come first."""

LONGEST_PROMPT = 2_000
LONGEST_OUTPUT = 10_000
"""Characters of the open review's texts in a record."""

_KEPT = 200
"""Decided reviews that a panel remembers for its record."""

_STATUS_AFTER = {
    Action.APPROVE: "approved",
    Action.REJECT: "rejected",
    Action.REQUEST_CHANGES: "changes_requested",
}

_STYLE = """
.hitl-record th, .hitl-record td { text-align: left !important; vertical-align: top; overflow-wrap: break-word; }
.hitl-record .hitl-code { white-space: pre-wrap; font-family: monospace; }
body:has(.LIVE:not(.jupyter-widgets-disconnected)) .LIVE-record { display: none; }
body:not(:has(.LIVE:not(.jupyter-widgets-disconnected)))
  .jp-OutputArea-child:has(+ .jp-OutputArea-child .LIVE-record) { display: none; }
"""
"""``LIVE`` is the class of the panel; a front end marks a widget whose kernel is gone as disconnected."""


class Record:
    """The record of one panel, and the outputs that show it.

    Attributes:
        live: CSS class of the panel that it belongs to.
    """

    def __init__(self, background: Background) -> None:
        self.live = f"hitl-live-{uuid.uuid4().hex}"
        self._background = background
        self._workspace: Workspace | None = None
        self._decided: dict[ReviewKey, ReviewSummary] = {}
        self._written: str | None = None
        self._is_due = False

    def follow(self, workspace: Workspace) -> None:
        """Record what this panel's content shows."""
        self._workspace = workspace
        workspace.inbox.observe(self._changed, ["page", "offline"])
        workspace.model.observe(self._changed, ["review", "selected"])
        workspace.bulk.observe(self._on_run, "run")
        self._changed()

    def show(self) -> None:
        """Add the record to the cell that is running."""
        self._written = self._content()
        display(self.bundle(), raw=True, display_id=self.live)

    def write(self) -> None:
        """Update the record where it is shown, if it has changed."""
        content = self._content()
        if self._written is None or content == self._written:
            return
        self._written = content
        display(self.bundle(), raw=True, display_id=self.live, update=True)

    def bundle(self) -> dict[str, str]:
        """Return the record in the formats of a notebook's output."""
        at = f"Seen on {_time(datetime.now(timezone.utc))}."
        style = _STYLE.replace("LIVE", self.live)
        html = (
            f'<div class="hitl-record {self.live}-record"><style>{style}</style>{self._content()}<p>{at} This '
            "is a saved copy: run the cell again to see the panel.</p></div>"
        )
        return {"text/html": html, "text/plain": "\n".join([self._title(), *map(_line, self._rows())])}

    def _changed(self, _: object = None) -> None:
        assert self._workspace is not None
        review = self._workspace.model.review
        for row in (*(self._workspace.inbox.page or ()), *((review,) if review is not None else ())):
            self._keep(row)
        # Without a loop there is no notebook: each update would be printed.
        if not self._is_due and self._background.has_loop:
            self._is_due = True
            self._background.start(self._write_soon(), forever=True)

    def _on_run(self, _: object) -> None:
        """Remember what was decided together: the list may never show it, as it leaves out what has ended."""
        assert self._workspace is not None
        run, client = self._workspace.bulk.run, self._workspace.controller.client
        if run is not None:
            now = datetime.now(timezone.utc)
            user = User(client.user_id or "", client.username or "the token's user")
            taken = {outcome.key for outcome in run.outcomes if not outcome.problem} - self._decided.keys()
            for pick in run.picks:
                if pick.key in taken:
                    status = _STATUS_AFTER[run.action]
                    self._keep(replace(pick, status=status, decided_by=user, decided_at=now))
        self._changed()

    async def _write_soon(self) -> None:
        await asyncio.sleep(PAUSE)
        self._is_due = False
        self.write()

    def _keep(self, row: ReviewSummary) -> None:
        known = self._decided.get(row.key)
        if known is not None and known.updated_at >= row.updated_at:
            return
        self._decided.pop(row.key, None)
        if row.decided_by is not None:
            self._decided[row.key] = row
            while len(self._decided) > _KEPT:
                del self._decided[next(iter(self._decided))]

    def _rows(self) -> list[ReviewSummary]:
        """Return what was decided, by the last decision first, then what is listed."""
        if self._workspace is None:
            return []
        decided = sorted(self._decided.values(), key=lambda row: row.decided_at or row.updated_at, reverse=True)
        return [*decided, *(row for row in self._workspace.inbox.page or () if row.key not in self._decided)]

    def _title(self) -> str:
        if self._workspace is None:
            return "Reviews: the panel was not connected."
        inbox, url = self._workspace.inbox, self._workspace.controller.client.url
        if inbox.page is None:
            return f"Reviews at {url}: the list was not loaded. {inbox.offline}".strip()
        waiting, more = inbox.waiting
        return f"Reviews at {url}: {waiting:,}{' or more' if more else ''} waiting."

    def _content(self) -> str:
        """Return the record without its time. All texts in it are made safe by ``render``."""
        rows = self._rows()
        parts = [f"<p><strong>{inline(self._title())}</strong></p>"]
        if rows:
            head = "<thead><tr><th>Review</th><th>Run</th><th>State</th><th>Decision</th></tr></thead>"
            parts.append(f"<table>{head}<tbody>{''.join(map(_row_html, rows[:MOST_ROWS]))}</tbody></table>")
        if len(rows) > MOST_ROWS:
            parts.append(f"<p>and {len(rows) - MOST_ROWS:,} more</p>")
        if self._workspace is not None and (review := self._workspace.model.review) is not None:
            parts.append(_review_html(review))
        return "".join(parts)


def _row_html(row: ReviewSummary) -> str:
    state, decision = _state_and_decision(row)
    cells = (
        task_name(row.key, isolated),
        isolated(render.short_run(row.key.run_id)),
        inline(state),
        isolated(decision),
    )
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _line(row: ReviewSummary) -> str:
    state, decision = _state_and_decision(row)
    return f"{task_name(row.key)}, {row.key.run_id}: {state}{f', {decision}' if decision else ''}"


def _state_and_decision(row: ReviewSummary) -> tuple[str, str]:
    _, state = state_of(
        row.status,
        task_completed=row.task_completed,
        edited=row.edited,
        channel=row.channel,
        request_kind=row.request_kind,
    )
    who = decider_words(row.decided_by, row.acting_for, row.channel)
    if not who or row.decided_at is None:
        return state, who
    return state, f"output {row.iteration}, {who}, {_time(row.decided_at)}"


def _review_html(review: Review) -> str:
    edit = rounds_of(review).edit if review.status == "approved" else None
    prompt, output = review.prompt, review.current_output if edit is None else edit.content
    label = f"Output {review.iteration}{', edited' if edit is not None else ''}"
    if len(output) > LONGEST_OUTPUT:
        shown = render.plain(_cut(output, LONGEST_OUTPUT))
    else:
        shown = render.output(output, review.output_format, review.display_as)
    return (
        f"<p><strong>Open: {task_name(review.key, isolated)}</strong></p><p><strong>Task</strong></p>"
        f"{render.plain(_cut(prompt, LONGEST_PROMPT))}<p><strong>{label}</strong></p>{shown}"
    )


def _cut(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    return f"{text[:longest]}\n… (the first {longest:,} of {len(text):,} characters)"


def _time(at: datetime) -> str:
    return f"{at.astimezone():%Y-%m-%d %H:%M %Z}"

"""Bulk decisions: number of picked reviews, the form, and the results."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets as widgets

from hitl_notebook.panel.actions import Action
from hitl_notebook.panel.bulk.form import BULK_KEY, bulk_form
from hitl_notebook.panel.bulk.model import BulkModel, BulkRun, Outcome
from hitl_notebook.panel.elements import Act, Cancel, Confirm, DecisionForm, Draft, Message, Post
from hitl_notebook.panel.views import html_view
from hitl_rendering import render
from hitl_rendering.review_words import task_name

_TAKEN = {
    Action.APPROVE: "approved",
    Action.REJECT: "rejected",
    Action.REQUEST_CHANGES: "sent back with your changes",
}

_NAMED = 5
"""How many picks that are not listed are named."""


class BulkView:
    """Bulk form, shown while reviews are picked and until the last run's summary is closed."""

    def __init__(self, bulk: BulkModel, post: Post, confirm: Callable[[], object]) -> None:
        self._bulk, self._confirm = bulk, confirm
        self._title = html_view("hitl-bulk-title")
        self.clear = widgets.Button(description="Pick none", tooltip="Clear the selection")
        self.clear.on_click(lambda _: post(bulk.clear))
        self.stop = widgets.Button(description="Stop", tooltip="Send no further decision")
        self.stop.on_click(lambda _: post(bulk.stop))
        head = widgets.HBox([self._title, self.stop, self.clear])
        head.add_class("hitl-bulk-head")
        self.progress = widgets.IntProgress(min=0, max=1, tooltip="Decisions sent")
        self.form = DecisionForm(state=bulk_form(bulk))
        self.form.on_message(self._on_message, post)
        self._results = html_view()
        self.widget = widgets.VBox([head, self.progress, self._results, self.form])
        self.widget.add_class("hitl-bulk")
        bulk.observe(
            lambda _: self.update(),
            ["picks", "changed", "edited", "listed", "confirming", "notice", "run", "draft_version"],
        )
        self.update()

    def update(self) -> None:
        """Show the picks and the run."""
        bulk = self._bulk
        self.widget.layout.display = None if bulk.picks or bulk.run is not None else "none"
        self._title.value = _title(bulk)
        self.clear.description = "Pick none" if bulk.picks else "Close"
        self.clear.disabled = bulk.running
        self.stop.layout.display = None if bulk.running else "none"
        self.progress.layout.display = None if bulk.running else "none"
        if bulk.run is not None:
            self.progress.max = len(bulk.run.picks)
            self.progress.value = len(bulk.run.outcomes)
        self._results.value = results_html(bulk.run) if bulk.run is not None and bulk.run.ended else ""
        self.form.state = bulk_form(bulk)

    def _on_message(self, message: Message) -> None:
        if not isinstance(message, (Draft, Act, Confirm, Cancel)) or message.key != BULK_KEY:
            return
        if isinstance(message, (Draft, Act, Confirm)) and not self._bulk.running:
            self._bulk.draft = message.text
        if isinstance(message, Cancel):
            self._bulk.cancel()
        elif isinstance(message, Act):
            self._bulk.act(Action(message.action))
        elif (
            isinstance(message, Confirm)
            and self._bulk.confirming is not None
            and self._bulk.confirming.action == message.action
        ):
            self._confirm()


def results_html(run: BulkRun) -> str:
    """Summarize a run: number of recorded decisions, and each failure with its reason."""
    taken = len(run.outcomes) - len(run.failures)
    left = len(run.picks) - len(run.outcomes)
    parts = [f"{taken} {_TAKEN[run.action]}", *([f"{len(run.failures)} not"] if run.failures else [])]
    if left:
        parts.append(f"{left} not sent: still picked")
    items = "".join(_outcome_html(outcome) for outcome in run.failures)
    kind = "warning" if run.failures or left else "success"
    return (
        f'<div role="status" aria-live="polite"><div class="hitl-notice {kind}">'
        f"<span>{', '.join(parts)}.</span></div></div>"
        + (f'<ul class="hitl-results">{items}</ul>' if items else "")
    )


def _outcome_html(outcome: Outcome) -> str:
    key = outcome.key
    name = render.inline(task_name(key))
    run = render.inline(render.short_run(key.run_id))
    return (
        f'<li class="bad"><div><b>{name}</b> <span class="hitl-meta">{run}, output {outcome.iteration}</span><br>'
        f"{render.inline(outcome.problem)}</div></li>"
    )


def _title(bulk: BulkModel) -> str:
    if not bulk.picks:
        return "<b>Done</b>" if bulk.run is not None else ""
    count = len(bulk.picks)
    text = f"<b>{count} picked</b>"
    if bulk.changed and not bulk.running:
        text += _note(f"{len(bulk.changed)} of them changed since you picked them: these will not be decided.")
    if bulk.edits and not bulk.running:
        one = bulk.edits == 1
        text += _note(
            f"{bulk.edits} of them {'has' if one else 'have'} an edit of yours that was not sent: the output is "
            "decided as the task made it."
        )
    if bulk.unlisted:
        names = [render.inline(task_name(pick.key)) for pick in bulk.unlisted[:_NAMED]]
        more = [f"{len(bulk.unlisted) - _NAMED:,} more"] if len(bulk.unlisted) > _NAMED else []
        one = len(bulk.unlisted) == 1
        which = "1 is not listed" if one else f"{len(bulk.unlisted):,} are not listed"
        text += _note(
            f"{which}: {', '.join([*names, *more])}. Your decision also applies to {'it' if one else 'them'}."
        )
    return text


def _note(text: str) -> str:
    return f' <span class="hitl-meta">{text}</span>'

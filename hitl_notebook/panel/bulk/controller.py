"""Sends bulk decisions."""

from __future__ import annotations

from collections.abc import Callable

from hitl_notebook.client.client import Client
from hitl_notebook.errors import HITLNotebookError
from hitl_notebook.panel.actions import Action
from hitl_notebook.panel.background import Background, Job
from hitl_notebook.panel.bulk.model import BulkModel
from hitl_notebook.records import Review, ReviewSummary


class BulkController:
    """Sends confirmed decisions, each bound to the output that was listed.

    Args:
        client: client of the REST API.
        model: model of the picks.
        background: runs the work.
        ended: called after a run.

    Attributes:
        client: may be replaced at any time.
    """

    def __init__(
        self, client: Client, model: BulkModel, background: Background, ended: Callable[[], object]
    ) -> None:
        self.client = client
        self._model = model
        self._background = background
        self._ended = ended

    def confirm(self) -> None:
        """Start the run."""
        run = self._model.confirm()
        if run is None:
            return
        text = self._model.draft
        jobs = [self._job(run.action, pick, text) for pick in run.picks]
        self._background.run_each(jobs, lambda: self._model.goes_on, self._end)

    def _job(self, action: Action, pick: ReviewSummary, text: str) -> Job:
        client = self.client

        def send() -> Review:
            if action is Action.APPROVE:
                return client.approve(pick, text.strip())
            if action is Action.REJECT:
                return client.reject(pick, text.strip())
            return client.request_changes(pick, text)

        def failed(error: HITLNotebookError) -> None:
            self._model.failed(pick, error)

        return Job(send, lambda _: self._model.taken(pick), failed)

    def _end(self) -> None:
        self._model.ended()
        self._ended()

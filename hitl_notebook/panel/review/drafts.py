"""What the reviewer has typed about each review."""

from __future__ import annotations

from typing import Any

from traitlets import HasTraits, Instance, Int, Unicode

from hitl_notebook.records import ReviewKey


class DraftModel(HasTraits):
    """The draft of the open review, and those of other reviews until they are opened again.

    Attributes:
        selected: key of the open review.
        draft: text that the reviewer has typed about the open review.
        draft_version: increases when ``draft`` is set other than by typing, so that it must be shown.
    """

    selected: Any = Instance(ReviewKey, allow_none=True)
    draft = Unicode("")
    draft_version = Int(0)

    def __init__(self) -> None:
        super().__init__()
        self._drafts: dict[ReviewKey, str] = {}

    def type(self, key: ReviewKey, text: str) -> None:
        """Store a review's draft; the review may be closed by the time the message arrives."""
        if key == self.selected:
            self.draft = text
        else:
            self._drafts[key] = text

    def _keep_draft(self) -> None:
        """Keep the open review's draft until it is reopened."""
        if self.selected is not None:
            self._drafts[self.selected] = self.draft

    def _reopen_draft(self, key: ReviewKey | None) -> None:
        self._set_draft(self._drafts.pop(key, "") if key is not None else "")

    def _clear_draft(self, key: ReviewKey, sent: str) -> None:
        """Forget a draft that was sent, unless the reviewer has typed more."""
        if key == self.selected:
            if self.draft == sent:
                self._set_draft("")
        elif self._drafts.get(key) == sent:
            del self._drafts[key]

    def _set_draft(self, text: str) -> None:
        self.draft = text
        self.draft_version += 1

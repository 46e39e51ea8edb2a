"""``ReviewReader``: what needs only permission to read. Mostly its documentation: the backends do the work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from hitl_notebook.client.backends.base import Backend, ListFilters
from hitl_notebook.client.paging import LARGEST_PAGE, iterate
from hitl_notebook.client.review_page import CachedPage, ReviewPage
from hitl_notebook.client.waiting import Until, wait_for
from hitl_notebook.errors import ReviewNotFoundError
from hitl_notebook.records import Review, ReviewKey, ReviewSummary, key_of
from hitl_notebook.traces import ReviewProgress

if TYPE_CHECKING:
    import pandas as pd


class ReviewReader:
    """Lists reviews, returns them and waits for them; decides nothing. Thread-safe.

    Args:
        backend: through whose API.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def sessions(
        self,
        *,
        status: str | Sequence[str] | None = None,
        dag_id: str | None = None,
        q: str | None = None,
        include_ended: bool = False,
        limit: int = 50,
        offset: int = 0,
        order_by: str = "-updated_at",
    ) -> ReviewPage:
        """Return a page of the inbox: the reviews that you may read.

        Args:
            status: only reviews with this status, for instance ``"pending_review"``; or with one of several.
            dag_id: only reviews of this DAG.
            q: only reviews with this text in an id or the prompt. If it has the word ``in:output``, its other words
                may also be in the current output.
            include_ended: also include reviews whose task has ended.
            limit: maximum number of reviews, 1 to 500.
            offset: number of reviews to skip.
            order_by: ``updated_at``, ``created_at``, ``deadline_at`` (those without one come last), ``dag_id``,
                ``run_id`` or ``task_id``; a leading minus reverses the order.

        Raises:
            ValueError: there is no such status; the message lists the valid ones.
        """
        return self.sessions_if_changed(
            None,
            status=status,
            dag_id=dag_id,
            q=q,
            include_ended=include_ended,
            limit=limit,
            offset=offset,
            order_by=order_by,
        ).page

    def sessions_if_changed(self, known: CachedPage | None, *, max_age: int = 0, **filters: Any) -> CachedPage:
        """Like ``sessions``, but returns ``known`` itself if nothing has changed (a conditional request).

        Args:
            known: the previous result for the same filters, if any.
            max_age: accept a "not modified" up to this many seconds old, which saves a database query in Airflow.
            **filters: as for ``sessions``, and so are the errors.
        """
        return self._backend.page(known, ListFilters.of(**filters), max_age)

    def iter_sessions(
        self,
        *,
        status: str | Sequence[str] | None = None,
        dag_id: str | None = None,
        q: str | None = None,
        include_ended: bool = False,
        order_by: str = "created_at",
        page_size: int = 200,
    ) -> Iterator[ReviewSummary]:
        """Iterate over all reviews that match the filters; each page is fetched when needed.

        The list may change during the iteration. No review is returned twice, and returned ones are not refreshed.
        With the order ``created_at`` (ascending), every review that is listed from the first request to the last
        is returned; one that joins the list meanwhile may be missed, unless it was created meanwhile. With other
        orders, reviews that move to an earlier position may be missed too: ``-updated_at`` is the worst.

        Args:
            page_size: number of reviews per request, 2 to 500. All other arguments are those of ``sessions``.

        Raises:
            ValueError: the page size or the status is invalid.
            HITLNotebookError: possibly after some reviews were returned.
        """
        filters = ListFilters.of(status=status, dag_id=dag_id, q=q, include_ended=include_ended, order_by=order_by)
        return iterate(lambda one: self._backend.page(None, one, 0).page, filters, page_size)

    def to_frame(
        self,
        *,
        status: str | Sequence[str] | None = None,
        dag_id: str | None = None,
        q: str | None = None,
        include_ended: bool = False,
        order_by: str = "created_at",
    ) -> pd.DataFrame:
        """Return the inbox as a pandas ``DataFrame``: all pages, one row per review, indexed from 0.

        Columns, with the same names and types even if there are no rows:

        * ``dag_id``, ``run_id``, ``task_id`` (string) and ``map_index`` (int64, -1 for a task that is not
          mapped): the task instance, as in ``ReviewKey``.
        * ``status`` (string), ``is_pending`` (bool): whether the review waits for a decision.
        * ``iteration``, ``max_iterations`` (int64).
        * ``prompt``, ``output_excerpt`` (string): truncated to 300 and 200 characters; ``output_sha256`` (string).
        * ``task_state``, ``last_error`` (string, may be missing), ``task_completed`` (bool).
        * ``created_at``, ``updated_at``, ``deadline_at``, ``decided_at``: times in UTC (``datetime64[us, UTC]``);
          the last two may be missing (``NaT``).
        * ``decided_by``, ``decided_by_id`` (string, may be missing): name and id of who decided.

        The arguments are those of ``sessions``; see ``iter_sessions`` about lists that change.

        Raises:
            ImportError: pandas is not installed.
            ValueError: there is no such status.
        """
        from hitl_notebook.client.frame import frame_of

        return frame_of(
            self.iter_sessions(
                status=status,
                dag_id=dag_id,
                q=q,
                include_ended=include_ended,
                order_by=order_by,
                page_size=LARGEST_PAGE,
            )
        )

    def find(self, review: ReviewKey | ReviewSummary) -> Review:
        """Return one review with its conversation.

        Args:
            review: an item of ``sessions()``, or a ``ReviewKey(dag_id, run_id, task_id, map_index)``.

        Raises:
            ReviewNotFoundError: there is none; ``task_active`` says whether one may still appear.
        """
        try:
            return self._backend.find(key_of(review))
        except ReviewNotFoundError as error:
            if error.task_active:
                raise
            raise ReviewNotFoundError(f"{error} client.sessions() lists the existing reviews.") from None

    def progress(self, review: ReviewKey | ReviewSummary) -> ReviewProgress | None:
        """Return what the task does just now, also before its first output; the API server answers from memory.

        Args:
            review: as for ``find``.

        Returns:
            What it does; None if that Airflow has a plugin too old to tell, or only the AI provider.
        """
        return self._backend.progress(key_of(review))

    def wait_for(
        self,
        review: ReviewKey | ReviewSummary,
        *,
        until: Until = "decided",
        timeout: float | None = None,
        interval: float = 2.0,
    ) -> Review:
        """Wait until a review is decided or has a new output. This blocks the notebook's kernel.

        Polls at once, then every ``interval`` seconds. If the review does not exist yet, waits for it while its
        task is active. Until the timeout, lost connections and 5xx (or 429) responses are retried; the first one is
        logged as a warning. Any other error ends the wait.

        Args:
            review: which review. A record also says which output you know; a key means none.
            until: ``"decided"``: no output waits for a decision, and none will: it was approved or rejected, is
                past its deadline or out of iterations, or its task has ended (a request for changes does not
                count); ``"output"``: an output newer than the known one waits for a decision, or none will come
                (check ``is_pending`` of the result); or a predicate of a review: whether to stop.
            timeout: seconds after which to give up, after a last poll; None for no timeout. A slow response can
                exceed it by up to the client's own timeout.
            interval: seconds between two polls.

        Returns:
            The current review; with a predicate, the first review for which it was true.

        Raises:
            RegenerationFailedError: with ``"output"`` and a record: the next output was requested, but making it
                failed, so that the same output waits again.
            WaitTimeoutError: it did not happen in time; the message gives the current state.
            ReviewNotFoundError: there is no such review, and its task is not active.
            AuthenticationError: the token has expired, or was rejected.
            PermissionDeniedError: you may not read it.
            ValueError: an argument is invalid.
        """
        return wait_for(self.find, review, until=until, timeout=timeout, interval=interval)

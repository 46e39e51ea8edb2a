"""The part of ``Client`` that reads reviews."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hitl_notebook.delivery_client import DeliveryClient
from hitl_notebook.errors import ReviewNotFoundError
from hitl_notebook.provider_api import ProviderApi
from hitl_notebook.records import Review, ReviewKey, ReviewSummary, check_statuses, key_of, parse_review
from hitl_notebook.review_page import ReviewPage, parse_page
from hitl_notebook.server_kind import ServerKind
from hitl_notebook.transport import Transport
from hitl_notebook.waiting import Until, wait_for

if TYPE_CHECKING:
    import pandas as pd

LARGEST_PAGE = 500
"""Maximum number of reviews that the server returns per page."""


@dataclass(frozen=True)
class CachedPage:
    """A page with its ETag, for conditional requests."""

    page: ReviewPage
    etag: str | None


class ReadingClient(DeliveryClient):
    """Lists reviews, fetches one, and waits for a decision or new output."""

    def __init__(self, transport: Transport) -> None:
        super().__init__(transport)
        self._server = ServerKind(transport)
        self._provider = ProviderApi(transport)

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
            q: only reviews with this text in an id or the prompt.
            include_ended: also include reviews whose task has ended.
            limit: maximum number of reviews, 1 to 500.
            offset: number of reviews to skip.
            order_by: ``updated_at``, ``created_at``, ``deadline_at`` (those without one come last), ``dag_id``,
                ``run_id`` or ``task_id``; a leading minus reverses the order.

        Raises:
            ValueError: there is no such status; the message lists the valid ones.
            HITLNotebookError: see ``hitl_notebook.errors``.
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
            **filters: as for ``sessions``.

        Raises:
            ValueError: there is no such status.
            HITLNotebookError: see ``hitl_notebook.errors``.
        """
        check_statuses(filters.get("status"))
        params = {name: value for name, value in filters.items() if value is not None}
        if self._server.is_provider:
            return self._provider_page(known, filters)
        if "include_ended" in params:
            params["include_ended"] = str(bool(params["include_ended"])).lower()
        headers = {"If-None-Match": known.etag} if known and known.etag else {}
        if max_age > 0:
            headers["Cache-Control"] = f"max-age={max_age}"
        answer = self._transport.request("GET", "/sessions", expected=(404,), params=params, headers=headers)
        if self._server.look(answer):
            return self._provider_page(known, filters)
        if answer.status_code == 304 and known is not None:
            return known
        offset = int(params.get("offset", 0))
        page = self._transport.read(lambda value: parse_page(value, offset), answer)
        return CachedPage(page, answer.headers.get("ETag"))

    def _provider_page(self, known: CachedPage | None, filters: dict[str, Any]) -> CachedPage:
        page = self._provider.sessions(**{name: value for name, value in filters.items() if value is not None})
        return known if known is not None and known.page == page else CachedPage(page, None)

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
            status: as for ``sessions``.
            dag_id: as for ``sessions``.
            q: as for ``sessions``.
            include_ended: as for ``sessions``.
            order_by: as for ``sessions``.
            page_size: number of reviews per request, 2 to 500.

        Raises:
            ValueError: the page size or the status is invalid.
            HITLNotebookError: see ``hitl_notebook.errors``; possibly after some reviews were returned.
        """
        if not 2 <= page_size <= LARGEST_PAGE:
            raise ValueError(f"page_size must be from 2 to {LARGEST_PAGE}, not {page_size}.")
        check_statuses(status)
        return self._iterate(
            page_size,
            status=status,
            dag_id=dag_id,
            q=q,
            include_ended=include_ended,
            order_by=order_by,
        )

    def _iterate(self, page_size: int, **filters: Any) -> Iterator[ReviewSummary]:
        seen: set[ReviewKey] = set()
        doubted: set[int] = set()
        offset, step = 0, page_size - 1
        while True:
            page = self.sessions(**filters, limit=page_size, offset=offset)
            # Pages overlap by one review. If a page begins with an unknown one, earlier reviews may have left the
            # list, and others moved up into pages already read: read those again. If that finds nothing, the
            # missing review is one that the server counts but cannot read.
            if offset and (not len(page) or page[0].key not in seen) and offset not in doubted:
                doubted.add(offset)
                offset -= step
                continue
            for review in page:
                if review.key not in seen:
                    seen.add(review.key)
                    doubted.clear()
                    yield review
            if offset + page_size >= page.total_entries:
                return
            offset += step

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

        Args:
            status: as for ``sessions``.
            dag_id: as for ``sessions``.
            q: as for ``sessions``.
            include_ended: as for ``sessions``.
            order_by: as for ``sessions``; see ``iter_sessions`` about lists that change.

        Raises:
            ImportError: pandas is not installed.
            ValueError: there is no such status.
            HITLNotebookError: see ``hitl_notebook.errors``.
        """
        from hitl_notebook.frame import frame_of

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
            HITLNotebookError: see ``hitl_notebook.errors``.
        """
        try:
            return self._find(key_of(review))
        except ReviewNotFoundError as error:
            if error.task_active:
                raise
            raise ReviewNotFoundError(f"{error} client.sessions() lists those that there are.") from None

    def _find(self, key: ReviewKey) -> Review:
        if self._server.is_provider:
            return self._provider.find(key)
        answer = self._transport.request("GET", "/sessions/find", params=key._asdict())
        # Both servers have this route; only the plugin's response has this field.
        if self._transport.read(lambda value: "map_index" in value, answer):
            self._server.saw_ours()
        elif self._server.find_out():
            return self._provider.find(key)
        return self._transport.read(parse_review, answer)

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
            HITLNotebookError: see ``hitl_notebook.errors``.
        """
        return wait_for(self.find, review, until=until, timeout=timeout, interval=interval)

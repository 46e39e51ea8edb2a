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
"""Reviews that the server gives at once."""


@dataclass(frozen=True)
class CachedPage:
    """A page, and the tag with which an unchanged one costs an empty answer."""

    page: ReviewPage
    etag: str | None


class ReadingClient(DeliveryClient):
    """Lists reviews, looks at one, and waits for what becomes of it."""

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
        """A page of the inbox: the reviews that you may read.

        Args:
            status: only those in this status, for instance ``"pending_review"``; or in one of several.
            dag_id: only those of this DAG.
            q: only those with this text in an id or the prompt.
            include_ended: also those whose task has ended.
            limit: at most so many, 1 to 500.
            offset: leave out so many first.
            order_by: ``updated_at``, ``created_at``, ``deadline_at`` (those without one come last), ``dag_id``,
                ``run_id`` or ``task_id``; a minus before it turns it round.

        Raises:
            ValueError: there is no such status; the message names those that there are.
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
        """As ``sessions``; returns ``known`` itself if nothing has changed since (a conditional request).

        Args:
            known: what was answered to the same filters before, if anything was.
            max_age: "nothing has changed" may be so many seconds old, which then costs Airflow's database nothing.
            **filters: those of ``sessions``.

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
        """All reviews that the filters leave, page after page; the next page is fetched when it is needed.

        The list may change meanwhile. No review comes twice, and what was read is not read anew. With the order
        ``created_at``, forwards, every review that is in the list from the first request to the last one comes;
        one that joins it meanwhile may be missed, unless it was made meanwhile. With another order also those
        may be missed that move to a place that was passed: ``updated_at`` turned round is the worst.

        Args:
            status: as for ``sessions``; the same for all that is not named here.
            dag_id: as for ``sessions``.
            q: as for ``sessions``.
            include_ended: as for ``sessions``.
            order_by: as for ``sessions``.
            page_size: how many are fetched at once, 2 to 500.

        Raises:
            ValueError: there is no such page size, or no such status.
            HITLNotebookError: see ``hitl_notebook.errors``; also after some reviews have come.
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
            # Pages overlap by one review. If a page begins with an unknown one, some before it may have left the
            # list, so that others moved up to where we have been: look there again. Where that brings nothing, the
            # review between is one that the server counts and cannot read.
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
        """The inbox as a pandas ``DataFrame``: all pages, one row per review, numbered from 0.

        Columns, the same and of the same type also where there are no rows:

        * ``dag_id``, ``run_id``, ``task_id`` (string) and ``map_index`` (int64, -1 for a task that is not
          mapped): which task instance, as ``ReviewKey`` takes them.
        * ``status`` (string), ``is_pending`` (bool): whether it waits for a decision.
        * ``iteration``, ``max_iterations`` (int64).
        * ``prompt``, ``output_excerpt`` (string): cut after 300 and 200 characters; ``output_sha256`` (string).
        * ``task_state``, ``last_error`` (string, may be missing), ``task_completed`` (bool).
        * ``created_at``, ``updated_at``, ``deadline_at``, ``decided_at``: times in UTC (``datetime64[us, UTC]``);
          the last two may be missing (``NaT``).
        * ``decided_by``, ``decided_by_id`` (string, may be missing): name and id of who decided.

        Args:
            status: as for ``sessions``; the same for all that is not named here.
            dag_id: as for ``sessions``.
            q: as for ``sessions``.
            include_ended: as for ``sessions``.
            order_by: as for ``sessions``; see ``iter_sessions`` for what a changing list means.

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
        """One review, with its conversation.

        Args:
            review: a row of ``sessions()``, or a ``ReviewKey(dag_id, run_id, task_id, map_index)``.

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
        # The provider's answer does not say this. It is what tells, as the two have this route in common.
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
        """Wait until something becomes of a review. It blocks: meanwhile a notebook's kernel does nothing else.

        It looks at once, then every ``interval`` seconds. A review that is not there yet is waited for as long as
        its task is active. While there is time left, lost connections and answers of 5xx (or 429) are survived: the
        first of them is logged as a warning, then it is tried again. All else ends the waiting.

        Args:
            review: which one. A record also says which output is known; a key, that none is.
            until: ``"decided"``: no output waits for a decision, and none will: it was approved or rejected, its
                time or its rounds are up, or its task has ended (a request for changes is none of these);
                ``"output"``: an output waits for a decision that is newer than the one known, or none will come, as
                above (``is_pending`` of what is returned tells); or a function of a review: whether to stop.
            timeout: seconds after which it is given up, with a last look; None for never. An answer that is slow
                can make it longer, by the client's own time-out.
            interval: seconds between two looks.

        Returns:
            The review as it is now; with a function, the first that it said yes to.

        Raises:
            RegenerationFailedError: with ``"output"`` and a record: the next output was asked for, and making it
                failed since, so that the same output waits again.
            WaitTimeoutError: it did not happen in time; the message says what the state is.
            ReviewNotFoundError: there is no such review, and its task is not active.
            AuthenticationError: the token has expired, or is not accepted.
            PermissionDeniedError: you may not read it.
            ValueError: an argument cannot be used.
            HITLNotebookError: see ``hitl_notebook.errors``.
        """
        return wait_for(self.find, review, until=until, timeout=timeout, interval=interval)

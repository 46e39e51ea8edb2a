"""Reviews of an Airflow with the AI provider but without this project's plugin: no review list, fewer details.

Pending reviews are found through Airflow's public API, and read and decided through the provider's.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from hitl_notebook.client.backends.base import DecisionRequest, ListFilters
from hitl_notebook.client.backends.provider_records import (
    SESSION_XCOM,
    XCOM_PREFIX,
    active_states,
    key_in,
    review_from,
    summary_of,
)
from hitl_notebook.client.review_page import CachedPage, ReviewPage
from hitl_notebook.client.transport import Transport
from hitl_notebook.errors import ConflictError, InvalidRequestError, PermissionDeniedError, ReviewNotFoundError
from hitl_notebook.records import PENDING, Review, ReviewKey, read_time
from hitl_notebook.traces import ReviewProgress
from hitl_rendering.review_words import searched

NOTICE = (
    "This Airflow has the AI provider, but not hitl-notebook: reviews are read through Airflow's own "
    "API. There are no webhooks, only requests for changes can have a text, and if two people decide "
    "at the same instant, one of them is not told."
)

NOT_IN_OUTPUTS = "Its outputs cannot be searched: in:output looks only at ids and prompts."

LIMIT = 1000
"""Maximum number of sessions, and of active task instances, that are read for a list."""

_PAGE = 100
_AT_ONCE = 8
_COMMITTED_WITHIN = 5.0
_ANY = "/dags/~/dagRuns/~/taskInstances"


class ProviderBackend:
    """Finds and decides reviews through the provider's API. Its methods are those of ``Backend``.

    Args:
        transport: sends requests to that Airflow.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._known: dict[ReviewKey, tuple[tuple[str, str | None], Review]] = {}
        self._lock = threading.Lock()

    def page(self, known: CachedPage | None, filters: ListFilters, max_age: int) -> CachedPage:
        """Return a page of reviews; it has no ETag, and is always up to date.

        Needs four requests, and three more for each review that has changed since the last call; one more for each
        run with an active task if there are more than ``LIMIT`` sessions in total.
        """
        page = self._page(filters)
        return known if known is not None and known.page == page else CachedPage(page, None)

    def _page(self, filters: ListFilters) -> ReviewPage:
        every = self._every(filters.include_ended)
        statuses = [filters.status] if isinstance(filters.status, str) else list(filters.status or ())
        dag_id, (text, in_output) = filters.dag_id, searched(filters.q or "")
        found = [
            review
            for review in every
            if (not statuses or review.status in statuses)
            and (dag_id is None or review.key.dag_id == dag_id)
            and (not text or any(text.lower() in one.lower() for one in (*review.key[:3], review.prompt)))
        ]
        start = filters.offset
        return ReviewPage(
            reviews=tuple(
                summary_of(review) for review in _ordered(found, filters.order_by)[start : start + filters.limit]
            ),
            total_entries=len(found),
            waiting=sum(review.is_pending for review in every),
            dag_ids=tuple(sorted({review.key.dag_id for review in every})),
            offset=start,
            notice=f"{NOTICE} {NOT_IN_OUTPUTS}" if in_output else NOTICE,
        )

    def find(self, key: ReviewKey) -> Review:
        """Return one review with its conversation.

        Raises:
            ReviewNotFoundError: there is none.
            HITLNotebookError: see ``hitl_notebook.errors``.
        """
        answer = self._transport.request("GET", "/sessions/find", params=key._asdict())
        place = "/dags/{}/dagRuns/{}/taskInstances/{}".format(*(quote(part, safe="") for part in key[:3]))
        which = {"xcom_key_pattern": XCOM_PREFIX, "map_index": key.map_index, "limit": _PAGE}
        xcoms = self._public("GET", f"{place}/xcomEntries", params=which)["xcom_entries"]
        times = {
            entry["key"]: read_time(entry["timestamp"]) for entry in xcoms if entry["key"].startswith(XCOM_PREFIX)
        }
        if SESSION_XCOM not in times:  # cleared after it was found
            raise ReviewNotFoundError(f"No review was found for {key}.")
        # A task that is not mapped has no URL with a map index.
        task = self._public("GET", place if key.map_index < 0 else f"{place}/{key.map_index}")
        return self._transport.read(lambda value: review_from(key, value, task["state"], times), answer)

    def progress(self, key: ReviewKey) -> ReviewProgress | None:
        """Return None: the provider does not tell."""
        return None

    def decide(self, decision: DecisionRequest) -> Review:
        """Send a decision if the output is still the one shown; the provider itself does not check that.

        Raises:
            ConflictError: the output has changed; nothing was decided.
            InvalidRequestError: what would be lost: a text with an approval or a rejection, or ``acting_for``.
            HITLNotebookError: see ``hitl_notebook.errors``.
        """
        action, key, iteration = decision.action, decision.key, decision.iteration
        if decision.acting_for is not None:
            raise InvalidRequestError("The AI provider does not store for whom somebody decides: leave it out.")
        if action != "feedback" and decision.feedback.strip():
            raise InvalidRequestError(
                f"The AI provider stores no text with this decision: {action} without a text, or request changes."
            )
        now = self.find(key)
        if problem := _obstacle(now, decision):
            raise ConflictError(problem, review=now, decided_by=None)
        body = {"feedback": decision.feedback} if action == "feedback" else None
        answer = self._transport.request(
            "POST", f"/sessions/{action}", expected=(409,), params=key._asdict(), json=body
        )
        after = self.find(key)
        # The provider may respond before its transaction is committed: then this is still the old review.
        end = time.monotonic() + _COMMITTED_WITHIN
        while answer.ok and _is_undecided(after, iteration) and time.monotonic() < end:
            time.sleep(0.1)
            after = self.find(key)
        if answer.status_code == 409:
            raise ConflictError("Somebody else decided first.", review=after, decided_by=None)
        return after

    def _every(self, include_ended: bool) -> list[Review]:
        body = {"state": list(active_states(self._public("GET", "/version")["version"]))}
        tasks = self._pages("POST", f"{_ANY}/list", "task_instances", body)
        active = {key_in(item): item["state"] for item in tasks}
        entries = self._entries(set(active), include_ended=include_ended)
        keys: list[tuple[ReviewKey, tuple[str, str | None]]] = []
        for entry in entries:
            key = key_in(entry)
            if entry["key"] == SESSION_XCOM and (include_ended or key in active):
                keys.append((key, (entry["timestamp"], active.get(key))))
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            found = list(pool.map(lambda item: self._changed(*item), keys))
        with self._lock:
            self._known = {key: (mark, review) for (key, mark), review in zip(keys, found, strict=True) if review}
        return [review for review in found if review is not None]

    def _changed(self, key: ReviewKey, mark: tuple[str, str | None]) -> Review | None:
        with self._lock:
            known = self._known.get(key)
        if known is not None and known[0] == mark:
            return known[1]
        try:
            # Without its outputs, which can be megabytes: the cache is used only for lists.
            return replace(self.find(key), current_output="", conversation=())
        except (ReviewNotFoundError, PermissionDeniedError):  # cleared just now, or no permission to read it
            return None

    def _entries(self, active: Collection[ReviewKey], *, include_ended: bool) -> list[Any]:
        """Return the sessions' XComs, newest first if Airflow supports it (not before 3.2)."""
        which = {"xcom_key_pattern": SESSION_XCOM, "order_by": "-timestamp"}
        first = self._public("GET", f"{_ANY}/~/xcomEntries", params={**which, "limit": 1})
        if include_ended or first["total_entries"] <= LIMIT:
            return self._pages("GET", f"{_ANY}/~/xcomEntries", "xcom_entries", which)
        # There are too many of ended tasks: ask for each run with an active task instead.
        runs = sorted({(key.dag_id, key.run_id) for key in active})

        def of_run(run: tuple[str, str]) -> list[Any]:
            dag_id, run_id = (quote(part, safe="") for part in run)
            path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/~/xcomEntries"
            return self._pages("GET", path, "xcom_entries", which)

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return [entry for entries in pool.map(of_run, runs) for entry in entries]

    def _pages(self, method: str, path: str, name: str, asked: Mapping[str, Any]) -> list[Any]:
        found: list[Any] = []
        while len(found) < LIMIT:
            if method == "POST":
                more = {"json": {**asked, "page_limit": _PAGE, "page_offset": len(found)}}
            else:
                more = {"params": {**asked, "limit": _PAGE, "offset": len(found)}}
            page = self._public(method, path, **more)
            found += page[name]
            if not page[name] or len(found) >= page["total_entries"]:
                break
        return found

    def _public(self, method: str, path: str, **kwargs: Any) -> Any:
        answer = self._transport.request(method, path, below="/api/v2", **kwargs)
        return self._transport.read(lambda value: value, answer)


def _is_undecided(review: Review, iteration: int) -> bool:
    return review.status == PENDING and review.iteration == iteration


def _obstacle(now: Review, decision: DecisionRequest) -> str:
    if now.iteration != decision.iteration:
        return f"You decided about output {decision.iteration}, but output {now.iteration} is the current one."
    if now.status != PENDING or now.task_completed:
        return f"The review is no longer waiting: it is {now.status}."
    if decision.output_sha256 not in (None, now.output_sha256):
        return f"Output {now.iteration} is not the one that you saw: the task was started again."
    return ""


def _ordered(reviews: list[Review], order_by: str) -> list[Review]:
    name, down = order_by.removeprefix("-"), order_by.startswith("-")
    by_key = sorted(reviews, key=lambda review: review.key)
    if name in ("dag_id", "run_id", "task_id"):
        return sorted(by_key, key=lambda review: str(getattr(review.key, name)), reverse=down)
    if name not in ("updated_at", "created_at", "deadline_at"):
        raise InvalidRequestError(f"order_by cannot be {order_by!r}.")
    if name == "deadline_at":  # the provider has no deadlines
        return by_key
    return sorted(by_key, key=lambda review: str(getattr(review, name).isoformat()), reverse=down)

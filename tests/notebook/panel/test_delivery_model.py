"""The webhook section without widgets: its rules, and what it fetches when."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from hitl_notebook import (
    Client,
    ConnectionFailedError,
    DeliveryPage,
    HITLNotebookError,
    PermissionDeniedError,
    ReviewKey,
    WebhookNotFoundError,
)
from hitl_notebook.panel.background import Background
from hitl_notebook.panel.deliveries.controller import DeliveryController
from hitl_notebook.panel.deliveries.model import DeliveryModel, Fetch, words_for_event
from hitl_notebook.panel.review.model import ReviewModel
from tests.notebook.delivery_server import delivery, endpoint, failing, page
from tests.notebook.server import ReviewServer
from tests.notebook.times import START

A, B = ReviewKey("a", "r", "t"), ReviewKey("b", "r", "t")


def unfolded(*, clock: Callable[[], datetime] = lambda: START) -> tuple[DeliveryModel, Fetch]:
    """A section on review A, and the fetch it requests."""
    model = DeliveryModel(clock)
    model.select(A)
    model.show(True)
    fetch = model.begin_fetch()
    assert fetch is not None
    return model, fetch


def showing(*endpoints: dict[str, Any]) -> DeliveryModel:
    """A section that shows one event of review A."""
    model, fetch = unfolded()
    model.apply(fetch, page(delivery(A, endpoints=list(endpoints) or [endpoint()])))
    return model


def notice(model: DeliveryModel) -> tuple[str, str]:
    assert model.notice is not None
    return model.notice.kind, model.notice.text


# --- rules


def test_nothing_is_fetched_while_folded() -> None:
    model = DeliveryModel()
    assert model.begin_fetch() is None
    model.show(True)
    assert model.begin_fetch() is None
    model.select(A)
    wanted = model.begin_fetch()
    assert wanted is not None
    assert wanted.key == A
    model.show(False)
    assert model.begin_fetch() is None


def test_selecting_another_review_clears_the_list_and_stays_unfolded() -> None:
    model = showing()
    model.resend_failed(delivery(A), PermissionDeniedError("No"))
    model.select(A)
    assert model.page is not None
    assert model.notice is not None
    model.select(B)
    shown: DeliveryPage | None = model.page
    assert shown is None
    assert model.notice is None
    assert (model.problem, model.shown) == ("", True)
    model.select(None)
    assert model.key is None


def test_folding_clears_the_notice_and_keeps_the_list() -> None:
    model = showing()
    model.resend_failed(delivery(A), PermissionDeniedError("No"))
    model.show(False)
    assert model.notice is None
    assert model.page is not None


def test_response_about_another_review_is_ignored() -> None:
    model, fetch = unfolded()
    model.select(B)
    model.apply(fetch, page(delivery(A)))
    model.fetch_failed(fetch, PermissionDeniedError("No"))
    assert (model.page, model.problem) == (None, "")
    model.select(A)
    model.apply(fetch, page(delivery(A)))  # requested when A was open before
    assert model.page is None


def test_response_from_before_a_resend_is_ignored() -> None:
    model = showing()
    before = model.begin_resend(delivery(A).event_id)
    fetch = model.begin_fetch()
    assert before is not None
    assert fetch is not None
    after = delivery(A, endpoints=[failing()])
    model.resent(before, after)
    model.apply(fetch, page(before))
    assert model.page == page(after)


def test_problem_keeps_the_list_until_the_next_response() -> None:
    model, fetch = unfolded()
    model.apply(fetch, page(delivery(A)))
    model.fetch_failed(fetch, PermissionDeniedError("You may not read this"))
    assert model.problem == "The webhooks could not be fetched. You may not read this."
    assert model.page == page(delivery(A))
    model.apply(fetch, page())
    assert (model.problem, model.page) == ("", page())


def test_as_of_is_updated_when_the_list_is_unchanged() -> None:
    times = iter(START + timedelta(seconds=n) for n in range(3))
    model, fetch = unfolded(clock=lambda: next(times))
    seen = []
    model.observe(lambda change: seen.append(change["new"]), "as_of")
    for _ in range(2):
        model.apply(fetch, page(delivery(A)))
    assert seen == [START + timedelta(seconds=n) for n in (1, 2)]


def test_one_resend_at_a_time_per_event() -> None:
    model = showing()
    event_id = delivery(A).event_id
    assert model.begin_resend("another") is None
    assert model.begin_resend(event_id) == delivery(A)
    assert model.sending == {event_id}
    assert model.begin_resend(event_id) is None
    model.resend_failed(delivery(A), PermissionDeniedError("No"))
    assert model.sending == frozenset()
    assert model.begin_resend(event_id) is not None
    assert model.notice is None


@pytest.mark.parametrize(
    ("endpoints", "where"),
    [([failing("audit")], "to audit"), ([failing("a"), failing("b")], "to 2 endpoints"), ([], "to 0 endpoints")],
)
def test_resent_event_is_shown(endpoints: list[dict[str, Any]], where: str) -> None:
    model, fetch = unfolded()
    rest = delivery(A, event_id="another")
    model.apply(fetch, page(rest, delivery(A), total=9))
    before = model.begin_resend(delivery(A).event_id)
    assert before is not None
    after = delivery(A, endpoints=endpoints)
    model.resent(before, after)
    assert model.page == page(rest, after, total=9)
    assert model.sending == frozenset()
    assert notice(model)[0] == "success"
    assert f"“Output 1 ready” again, {where}." in notice(model)[1]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionDeniedError("You may not"), "“Output 1 ready” was not sent again. You may not."),
        (WebhookNotFoundError("Gone!"), "“Output 1 ready” was not sent again. Gone!"),
        (ConnectionFailedError("No answer."), "No answer. It is not known whether “Output 1 ready” is sent again"),
    ],
)
def test_failure_notice(error: HITLNotebookError, said: str) -> None:
    model = showing()
    before = model.begin_resend(delivery(A).event_id)
    assert before is not None
    model.resend_failed(before, error)
    assert notice(model)[0] == "error"
    assert said in notice(model)[1]
    assert model.page == page(before)


def test_notice_names_the_review_after_switching() -> None:
    for failed in (True, False):
        model = showing()
        before = model.begin_resend(delivery(A).event_id)
        assert before is not None
        model.select(B)
        if failed:
            model.resend_failed(before, PermissionDeniedError("No"))
        else:
            model.resent(before, before)
        assert "“Output 1 ready” of a › t" in notice(model)[1]
        assert model.page is None
        assert model.sending == frozenset()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"iteration": 3}, "Output 3 ready"),
        ({"iteration": None}, "Output ready"),
        ({"type": "hitl_review.changes_requested"}, "Changes requested"),
        ({"type": "hitl_review.finalized"}, "Review ended"),
        ({"type": "hitl_review.of_tomorrow"}, "hitl_review.of_tomorrow"),
    ],
)
def test_event_words(changes: dict[str, Any], words: str) -> None:
    assert words_for_event(delivery(A, **changes)) == words


# --- with the client


class Later(Background):
    """Defers the work, so that a test controls the order of responses."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[Callable[[], object]] = []

    def run(self, work: Callable[[], Any], done: Callable[[Any], object], failed: Any) -> None:
        result = work()
        self.waiting.append(lambda: done(result))


def section(
    client: Client, background: Background | None = None
) -> tuple[ReviewModel, DeliveryModel, DeliveryController]:
    reviews, model = ReviewModel(), DeliveryModel(lambda: START)
    controller = DeliveryController(client, reviews, model, background or Background())
    return reviews, model, controller


def test_fetch_on_unfold_and_for_each_opened_review(server: ReviewServer, client: Client) -> None:
    server.webhooks.add(A)
    server.webhooks.add(B)
    reviews, model, controller = section(client)
    reviews.select(A)
    controller.refresh()
    assert server.asked("/hitl-review/deliveries") == []
    model.show(True)
    assert [item.key for item in model.page or ()] == [A]
    reviews.select(B)
    assert [item.key for item in model.page or ()] == [B]
    model.show(False)
    reviews.select(A)
    controller.refresh()
    reviews.select(None)
    model.show(True)
    queries = [seen.query for seen in server.asked("/hitl-review/deliveries")]
    assert [query["dag_id"] for query in queries] == ["a", "b"]
    assert {query["limit"] for query in queries} == {"50"}


def test_one_fetch_at_a_time_per_review(server: ReviewServer, client: Client) -> None:
    background = Later()
    server.webhooks.add(A)
    server.webhooks.add(B)
    reviews, model, controller = section(client, background)
    reviews.select(A)
    model.show(True)
    controller.refresh()
    assert len(background.waiting) == 1
    reviews.select(B)  # does not wait for the response about A
    controller.refresh()
    assert len(background.waiting) == 2
    first, second = background.waiting
    second()
    first()
    shown: DeliveryPage | None = model.page
    assert [item.key for item in shown or ()] == [B]
    controller.refresh()
    assert len(background.waiting) == 3


def test_resend_overtakes_a_fetch(server: ReviewServer, client: Client) -> None:
    background = Later()
    event_id = server.webhooks.add(A)
    reviews, model, controller = section(client, background)
    reviews.select(A)
    model.show(True)
    background.waiting.pop()()
    controller.refresh()
    controller.resend(event_id)
    controller.resend(event_id)
    old, resent = background.waiting
    resent()
    old()
    assert [item.status for item in model.page or ()] == ["pending"]
    assert len(background.waiting) == 3  # it refetches by itself
    server.webhooks.set(event_id, endpoint(attempts=2))
    controller.refresh()
    assert len(background.waiting) == 3
    background.waiting.pop()()
    assert [item.status for item in model.page or ()] == ["pending"]
    controller.refresh()
    background.waiting.pop()()
    assert [item.endpoints[0].attempts for item in model.page or ()] == [2]


def test_deleted_event_leaves_the_list(server: ReviewServer, client: Client) -> None:
    event_id = server.webhooks.add(A)
    reviews, model, controller = section(client)
    reviews.select(A)
    model.show(True)
    server.webhooks.reset()
    controller.resend(event_id)
    assert model.page == page()
    assert notice(model) == (
        "error",
        f"“Output 1 ready” was not sent again. No webhook event {event_id}.",
    )


def test_outdated_server(outdated: ReviewServer) -> None:
    reviews, model, controller = section(Client(outdated.url, username="ada", password="ada-password"))
    reviews.select(A)
    model.show(True)
    assert model.page is None
    assert model.problem.startswith("The webhooks could not be fetched. ")
    assert "older than this client" in model.problem
    controller.resend("x")
    assert model.notice is None

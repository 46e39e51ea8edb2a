from __future__ import annotations

import random
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hitl_notebook import (
    AuthenticationError,
    Client,
    ConflictError,
    ConnectionFailedError,
    HITLNotebookError,
    InvalidRequestError,
    PermissionDeniedError,
    ReviewKey,
    ReviewNotFoundError,
    ServerError,
)
from hitl_notebook.records import STATUSES
from tests.notebook.server import ReviewServer, jwt
from tests.notebook.times import stamp

FOREVER = 4e9


def test_decision_sends_the_iteration_that_was_seen(server: ReviewServer, client: Client) -> None:
    key = server.add()
    seen = client.find(key)
    after = client.request_changes(seen, "Shorter, please: ünï\n<b>&</b>")
    assert after.status == "changes_requested"
    assert after.conversation[-1].content == "Shorter, please: ünï\n<b>&</b>"
    assert after.conversation[-1].user is not None
    assert after.conversation[-1].user.name == "ada"

    server.next_output(key, "Second")
    (row,) = client.sessions()
    assert client.approve(row).status == "approved"

    bodies = [(s.path.rpartition("/")[2], s.body) for s in server.seen if "/sessions/" in s.path and s.body]
    assert bodies == [
        ("feedback", {"feedback": "Shorter, please: ünï\n<b>&</b>", "iteration": 1, "channel": "rest"}),
        ("approve", {"iteration": 2, "channel": "rest"}),
    ]


def test_approval_may_have_a_comment(server: ReviewServer, client: Client) -> None:
    after = client.approve(client.find(server.add()), "Much better")
    assert (after.status, after.conversation[-1].content) == ("approved", "Much better")
    (asked,) = server.asked("/hitl-review/sessions/approve")
    assert asked.body == {"feedback": "Much better", "iteration": 1, "channel": "rest"}


def test_reject_sends_the_reason_and_the_channel(server: ReviewServer) -> None:
    key = server.add()
    client = Client(f"{server.url}/", token=jwt("ada", FOREVER), channel="notebook")
    assert client.reject(key, feedback="Wrong numbers", iteration=1).status == "rejected"
    (asked,) = server.asked("/hitl-review/sessions/reject")
    assert asked.body == {"feedback": "Wrong numbers", "iteration": 1, "channel": "notebook"}
    other = client.find(server.add("other"))
    assert client.reject(other, "Not this quarter").conversation[-1].content == "Not this quarter"


def test_decision_by_key_alone_needs_iteration(server: ReviewServer, client: Client) -> None:
    key = server.add()
    with pytest.raises(ValueError, match="which output"):
        client.approve(key)
    with pytest.raises(ValueError, match="which output"):
        client.reject(key)
    with pytest.raises(ValueError, match="which output"):
        client.request_changes(key, "more")
    assert server.seen == []


@pytest.mark.parametrize("feedback", ["", " \n\t"])
def test_empty_feedback_is_not_sent(server: ReviewServer, client: Client, feedback: str) -> None:
    review = client.find(server.add())
    with pytest.raises(InvalidRequestError, match="empty"):
        client.request_changes(review, feedback)
    assert server.asked("/hitl-review/sessions/feedback") == []


@pytest.mark.parametrize("run_id", ["scheduled__2030-01-02T00:00:00+00:00", "a b&c=d#e?f%2B/ü", "日本 🎌"])
def test_ids_are_encoded_in_queries(server: ReviewServer, client: Client, run_id: str) -> None:
    key = server.add("dag.a+b", run_id)
    review = client.find(client.sessions().reviews[0])
    assert review.key == key
    assert client.approve(review).key == key
    assert {s.query["run_id"] for s in server.seen if "run_id" in s.query} == {run_id}


def test_filters(server: ReviewServer, client: Client) -> None:
    server.add("a", prompt="Sales of May")
    server.add("b", status="changes_requested")
    server.add("c", task_completed=True)

    def listed(**filters: Any) -> list[str]:
        return [row.key.dag_id for row in client.sessions(**filters)]

    assert listed() == ["b", "a"]
    assert listed(include_ended=True) == ["c", "b", "a"]
    assert listed(status="pending_review") == ["a"]
    assert listed(q="May") == ["a"]
    assert listed(dag_id="b") == ["b"]
    assert listed(limit=1, offset=1) == ["a"]
    assert listed(status=["pending_review", "changes_requested"]) == ["b", "a"]
    assert listed(q="A") == ["b", "a"]  # of "draft"
    first = server.asked("/hitl-review/sessions")[0].query
    assert first == {"include_ended": "false", "limit": "50", "offset": "0", "order_by": "-updated_at"}
    assert client.sessions(limit=1).total_entries == 2


@pytest.mark.parametrize(
    ("order_by", "expected"),
    [
        ("updated_at", "abc"),
        ("-updated_at", "cba"),
        ("created_at", "bca"),
        ("-created_at", "acb"),
        ("deadline_at", "cba"),
        ("-deadline_at", "bca"),
        ("dag_id", "abc"),
        ("-dag_id", "cba"),
    ],
)
def test_order_by(server: ReviewServer, client: Client, order_by: str, expected: str) -> None:
    server.add("a", created_at=stamp(9))
    server.add("b", created_at=stamp(1), deadline_at=stamp(20))
    server.add("c", created_at=stamp(1.5), deadline_at=stamp(10.5))
    assert "".join(row.key.dag_id for row in client.sessions(order_by=order_by)) == expected
    assert [row.key.dag_id for row in client.iter_sessions(order_by=order_by, page_size=2)] == list(expected)


def test_page_has_totals_of_the_whole_list(server: ReviewServer, client: Client, outdated: ReviewServer) -> None:
    for there in (server, outdated):
        for name in "cab":
            there.add(name)
        there.add("d", status="changes_requested")
        there.add("e", task_completed=True)
    page = client.sessions(dag_id="a", offset=0)
    assert (page.total_entries, page.waiting, page.dag_ids, page.offset) == (1, 3, tuple("abcde"), 0)
    assert page[0].output_excerpt == "# First draft"
    assert client.sessions(offset=3).offset == 3

    older = Client(outdated.url, username="ada", password="ada-password")
    page = older.sessions(dag_id="a", limit=1)
    assert (page.total_entries, page.waiting, page.dag_ids) == (1, None, ())
    assert page[0].output_excerpt == ""


def test_unknown_order_is_rejected(client: Client) -> None:
    with pytest.raises(InvalidRequestError, match="order_by"):
        client.sessions(order_by="beauty")


def test_unknown_status_is_rejected(server: ReviewServer, client: Client) -> None:
    words = r"^status must be one of pending_review, changes_requested, .*_exceeded, not 'pending'\.$"
    calls: list[Callable[..., object]] = [client.sessions, client.iter_sessions, client.to_frame]
    for call in calls:
        for status in ("pending", ["approved", "pending"]):
            with pytest.raises(ValueError, match=words):
                call(status=status)
    assert server.seen == []
    server.add(status="timeout_exceeded")
    assert len(client.sessions(status=STATUSES)) == 1


def test_iter_sessions_reads_all_pages_lazily(server: ReviewServer, client: Client) -> None:
    keys = [server.add("many", f"r{number}", created_at=stamp(number)) for number in range(11)]
    rows = client.iter_sessions(page_size=4)
    assert server.seen == []
    assert next(rows).key == keys[0]
    assert len(server.asked("/hitl-review/sessions")) == 1
    assert [row.key for row in rows] == keys[1:]
    assert [seen.query["offset"] for seen in server.asked("/hitl-review/sessions")] == ["0", "3", "6", "9"]
    assert list(client.iter_sessions(dag_id="none")) == []


@pytest.mark.parametrize("page_size", [0, 1, 501])
def test_invalid_page_size(client: Client, page_size: int) -> None:
    with pytest.raises(ValueError, match="from 2 to 500"):
        client.iter_sessions(page_size=page_size)


def test_iteration_skips_nothing_when_reviews_leave_the_list(server: ReviewServer, client: Client) -> None:
    keys = [server.add("many", f"r{number:02}", created_at=stamp(number)) for number in range(20)]
    approved = []
    for row in client.iter_sessions(status="pending_review", page_size=4):
        client.approve(row)
        approved.append(row.key)
    assert approved == keys


@pytest.mark.parametrize("seed", range(12))
def test_iteration_over_a_changing_list(server: ReviewServer, client: Client, seed: int) -> None:
    chance = random.Random(seed)
    stay = {server.add("stays", f"r{number}", created_at=stamp(chance.randrange(50))) for number in range(15)}
    leave = [server.add("leaves", f"r{number}", created_at=stamp(chance.randrange(50))) for number in range(15)]
    made = 0
    found = []
    for row in client.iter_sessions(page_size=chance.choice([2, 3, 5, 8])):
        found.append(row.key)
        for _ in range(chance.randrange(3)):
            if leave and chance.random() < 0.7:
                server.change(leave.pop(chance.randrange(len(leave))), task_completed=True)
        if made < 10 and chance.random() < 0.3:
            made += 1
            stay.add(server.add("comes", f"r{made}", created_at=stamp(100 + made)))
        server.change(chance.choice(list(stay)), last_error="again")
    assert len(found) == len(set(found))
    assert {key for key in stay if key.dag_id == "stays"} <= set(found)


@pytest.mark.parametrize("unreadable", [range(3, 4), range(2, 9), range(12), range(6, 12), range(0, 12, 2)])
def test_iteration_over_unreadable_sessions(server: ReviewServer, client: Client, unreadable: range) -> None:
    keys = [server.add("many", f"r{number:02}", created_at=stamp(number)) for number in range(12)]
    server.unreadable = {keys[number] for number in unreadable}
    rows = client.iter_sessions(page_size=4)
    assert [row.key for row in rows] == [key for key in keys if key not in server.unreadable]
    assert len(server.asked("/hitl-review/sessions")) < 20


def test_ten_thousand_reviews(server: ReviewServer, client: Client) -> None:
    for number in range(10_000):
        server.add(f"dag{number % 7}", f"r{number}")
    page = client.sessions(limit=50, offset=5_000)
    assert (len(page), page.total_entries, page.waiting, len(page.dag_ids)) == (50, 10_000, 10_000, 7)
    assert len({row.key for row in client.iter_sessions(page_size=500)}) == 10_000


def test_unchanged_page_is_not_resent(server: ReviewServer, client: Client) -> None:
    key = server.add()
    first = client.sessions_if_changed(None)
    assert client.sessions_if_changed(first) is first
    server.change(key, status="changes_requested")
    second = client.sessions_if_changed(first)
    assert second is not first
    assert second.page.reviews[0].status == "changes_requested"
    sent = [s.headers.get("if-none-match") for s in server.asked("/hitl-review/sessions")]
    assert sent == [None, first.etag, first.etag]


def test_conflict_has_the_current_review(server: ReviewServer, client: Client) -> None:
    key = server.add()
    stale = client.find(key)
    server.next_output(key, "Second")
    with pytest.raises(ConflictError, match="output 2 is current") as newer:
        client.approve(stale)
    assert newer.value.review.current_output == "Second"
    assert newer.value.decided_by is None

    client.approve(client.find(key))
    with pytest.raises(ConflictError, match="Already approved by ada") as late:
        client.reject(stale)
    assert late.value.decided_by is not None
    assert late.value.decided_by.name == "ada"
    assert late.value.review.status == "approved"


@pytest.mark.parametrize("active", [True, False])
def test_review_not_found(server: ReviewServer, client: Client, active: bool) -> None:
    key = ReviewKey("running" if active else "ended", "r", "t")
    with pytest.raises(ReviewNotFoundError, match="No review was found") as read:
        client.find(key)
    assert ("client.sessions() lists the existing reviews." in str(read.value)) is not active
    with pytest.raises(ReviewNotFoundError, match="No review was found") as decided:
        client.approve(key, iteration=1)
    assert (read.value.task_active, decided.value.task_active) == (active, active)


def test_reader_may_not_decide(server: ReviewServer) -> None:
    client = Client(server.url, username="viewer", password="viewer-password")
    review = client.find(server.add("sales"))
    with pytest.raises(PermissionDeniedError, match="may not decide the reviews of DAG 'sales'"):
        client.approve(review)


def test_invalid_arguments_are_rejected_by_server(server: ReviewServer, client: Client) -> None:
    review = client.find(server.add())
    with pytest.raises(InvalidRequestError, match=r"body\.feedback: .*1000"):
        client.request_changes(review, "x" * 1001)
    with pytest.raises(InvalidRequestError, match=r"body\.iteration: "):
        client.approve(review, iteration=0)


@pytest.mark.parametrize(
    ("status", "body", "expected", "message"),
    [
        (400, '{"detail": "Bad."}', InvalidRequestError, "Bad"),
        (413, "<html>too large</html>", InvalidRequestError, "413"),
        (403, "", PermissionDeniedError, "may not"),
        (404, '{"detail": "Not Found"}', ServerError, "plugin is installed"),
        (404, "<html>nginx</html>", ServerError, "plugin is installed"),
        (409, '{"detail": "Conflict"}', ServerError, "409: Conflict"),
        (500, "Internal Server Error", ServerError, "500"),
        (503, '{"detail": "Starting"}', ServerError, "503: Starting"),
        (302, "", ServerError, "plugin is installed"),
        (200, "<!doctype html><title>Airflow</title>", ServerError, "plugin is installed"),
        (200, "", ServerError, "plugin is installed"),
    ],
)
def test_other_responses(
    server: ReviewServer,
    client: Client,
    status: int,
    body: str,
    expected: type[HITLNotebookError],
    message: str,
) -> None:
    server.broken["/hitl-review"] = (status, "text/html", body)
    for call in (client.sessions, lambda: client.find(ReviewKey("d", "r", "t"))):
        with pytest.raises(expected, match=message) as error:
            call()
        assert type(error.value) is expected


def test_no_server() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        clients = (
            Client(url, token="opaque", timeout=2),
            Client(url, username="ada", password="ada-password", timeout=2),
        )
        for client in clients:
            with pytest.raises(ConnectionFailedError, match=f"No answer from {url}") as error:
                client.sessions()
            assert "password" not in str(error.value)


def test_https_url_of_an_http_server(server: ReviewServer) -> None:
    url = server.url.replace("http:", "https:")
    for client in (Client(url, token="opaque"), Client(url, username="ada", password="ada-password")):
        with pytest.raises(ConnectionFailedError) as error:
            client.sessions()
        assert str(error.value) == f"No answer from {url}: it seems to speak http, not https."


@pytest.mark.parametrize("status", [401, 403])
def test_rejected_token_is_renewed_once(server: ReviewServer, client: Client, status: int) -> None:
    review = client.find(server.add())
    server.refused.add(server.seen[-1].headers["authorization"].removeprefix("Bearer "))
    assert client.approve(review).status == "approved"
    assert len(server.asked("/auth/token")) == 2
    assert len(server.asked("/hitl-review/sessions/approve")) == 2

    server.broken["/hitl-review"] = (status, "application/json", '{"detail": "Invalid JWT token"}')
    with pytest.raises(AuthenticationError, match=r"does not accept this token \(Invalid JWT token\)\. Get a new"):
        client.sessions()
    assert len(server.asked("/auth/token")) == 3
    assert len(server.asked("/hitl-review/sessions")) == 2


def test_a_given_token_is_not_renewed(server: ReviewServer) -> None:
    client = Client(server.url, token="opaque")
    with pytest.raises(AuthenticationError, match="Invalid JWT token"):
        client.sessions()
    assert [s.path for s in server.seen] == ["/hitl-review/sessions"]


@pytest.mark.parametrize("url", ["", "airflow:8080", "ftp://host", "http://", "file:///etc", "/hitl-review"])
def test_invalid_urls(url: str) -> None:
    with pytest.raises(ValueError, match="address of Airflow's API server"):
        Client(url, token="t")


def test_url_with_credentials_is_rejected() -> None:
    with pytest.raises(ValueError, match="as arguments") as error:
        Client("http://ada:secret@host", token="t")
    assert "secret" not in str(error.value)


def test_repr_hides_secrets(server: ReviewServer) -> None:
    shown = repr(Client(server.url, token="s3cret")) + repr(Client(server.url, username="ada", password="s3cret"))
    assert "s3cret" not in shown
    assert server.url in shown


def test_username_and_user_id(server: ReviewServer, client: Client) -> None:
    assert client.username == "ada"
    assert Client(server.url, token="t").username is None
    assert Client(server.url, token="t").user_id is None
    assert Client(server.url, token=jwt("7", FOREVER)).user_id == "7"
    assert client.user_id is None
    client.sessions()
    assert client.user_id == "ada"


def locals_of(error: BaseException) -> str:
    """The local variables a traceback shows below the test's own frame; including those of the error's causes."""
    shown = []
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename != __file__:
            shown += [f"{name}={value!r}" for name, value in trace.tb_frame.f_locals.items()]
        trace = trace.tb_next
    led_to = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n".join([*shown, str(error), locals_of(led_to) if led_to is not None else ""])


@pytest.mark.parametrize(
    "call",
    [
        lambda client, key: client.sessions(),
        lambda client, key: client.approve(key, iteration=1),
        lambda client, key: client.wait_for(key),
        lambda client, key: client.deliveries(),
    ],
)
@pytest.mark.parametrize("way", ["nobody", "down", "refused", "wrong", "not ours"])
def test_tracebacks_contain_no_secrets(
    server: ReviewServer, way: str, call: Callable[[Client, ReviewKey], object]
) -> None:
    token = jwt("ada", FOREVER)
    key = ReviewKey("d", "r", "t")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = server.url if way != "nobody" else f"http://127.0.0.1:{unused.getsockname()[1]}"
        if way == "down":
            server.broken["/"] = (418, "text/html", "down")
        if way == "refused":
            server.refused.add(token)
        if way == "not ours":
            server.broken["/hitl-review"] = (200, "text/html", "<html>")
        for client in (
            Client(url, token=token, timeout=2),
            Client(url, username="ada", password="wr0ng" if way == "wrong" else "ada-password", timeout=2),
        ):
            if way == "nobody" and "wait_for" in call.__code__.co_names:
                continue  # it would keep waiting
            if way in ("refused", "wrong") and (way == "refused") is (client.username is not None):
                continue
            with pytest.raises(HITLNotebookError) as error:
                call(client, key)
            told = locals_of(error.value)
            assert "url=" in told or "path=" in told or "self=" in told
            assert "wr0ng" not in told
            assert "ada-password" not in told
            assert token not in told
            assert "Bearer e30" not in told


def test_netrc_does_not_replace_the_token(
    server: ReviewServer, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login eve password eve-password\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    client.approve(client.find(server.add()))
    sent = [seen.headers.get("authorization", "").partition(" ")[0] for seen in server.seen]
    assert sent == ["", "Bearer", "Bearer"]

"""Reviews that version 0.1.0 left open: listed, shown and decided, and their events sent."""

from __future__ import annotations

from uuid import UUID

from demo.processes import wait_until
from tests.plugin.server.test_reviewers import has_state, wait_for_wake, write
from tests.support.api_server import ReviewServer
from tests.support.version_before import xcoms_of


def restored(server: ReviewServer, review: str) -> str:
    """Replace the XComs of a seeded review by those of an old one; returns the run id."""
    run_id = server.seed(1)
    (row,) = server.sql("select id from task_instance where run_id = :run and map_index = 0", run=run_id)
    seeded = {row.key for row in server.sql("select xcom.key from xcom where run_id = :run", run=run_id)}
    for key, value in xcoms_of(review, of=UUID(str(row.id)), key=server.params(run_id)).items():
        write(server, run_id, key, value, new=key not in seeded)
    return run_id


def test_old_reviews_are_listed_shown_and_decided(reviews: ReviewServer) -> None:
    approved, changed = restored(reviews, "waiting"), restored(reviews, "second_round")
    for run_id, iteration in ((approved, 1), (changed, 2)):
        (row,) = reviews.call("GET", "/sessions", params={"q": run_id}).json()["sessions"]
        assert (row["status"], row["iteration"], row["prompt"]) == ("pending_review", iteration, "A drink")
    shown = reviews.call("GET", "/sessions/find", params=reviews.params(changed)).json()
    turns = [(turn["kind"], turn["iteration"]) for turn in shown["conversation"]]
    assert turns == [("output", 1), ("feedback", 1), ("output", 2)]
    assert shown["conversation"][1]["user"]["id"] == "admin"
    assert shown["conversation"][1]["content"] == "hotter"
    assert reviews.call("GET", "/chat", params=reviews.params(changed)).status_code == 200
    where = reviews.params(approved)
    assert reviews.call("POST", "/sessions/approve", params=where, json={"iteration": 1}).status_code == 200
    where = reviews.params(changed)
    answer = reviews.call("POST", "/sessions/feedback", params=where, json={"iteration": 2, "feedback": "sweeter"})
    assert [turn["content"] for turn in answer.json()["conversation"] if turn["kind"] == "feedback"] == [
        "hotter",
        "sweeter",
    ]
    for run_id in (approved, changed):
        wait_for_wake(reviews, run_id)


def test_edits_of_old_reviews_are_refused(reviews: ReviewServer) -> None:
    """Their worker would ignore them. Nothing is decided by that, and all else is as before."""
    run_id = restored(reviews, "waiting")
    where = reviews.params(run_id)
    before = reviews.call("GET", "/sessions/find", params=where).json()
    refusal = "The output cannot be edited: its task does not support edits."
    assert (before["allow_modifications"], before["modifications_refused"]) == (False, refusal)
    assert (before["output_schema"], before["on_reject"], before["on_hitl_timeout"]) == (None, "fail", "fail")
    edit = {"iteration": 1, "edited_output": '{"title": "Coffee", "n": 1}'}
    for action in ("approve", "feedback"):
        answer = reviews.call("POST", f"/sessions/{action}", params=where, json=edit | {"feedback": "better"})
        assert (answer.status_code, answer.json()) == (422, {"detail": refusal, "errors": []})
    assert reviews.call("GET", "/sessions/find", params=where).json() == before
    unchanged = {"iteration": 1, "edited_output": '{"title":"Tea","n":1}'}
    approved = reviews.call("POST", "/sessions/approve", params=where, json=unchanged).json()
    assert (approved["status"], approved["edited"], approved["channel"]) == ("approved", False, "rest")
    wait_for_wake(reviews, run_id)


def test_events_of_old_reviews_are_sent(reviews: ReviewServer) -> None:
    """The undelivered event, and the final event of a review whose worker is gone."""
    run_id = restored(reviews, "told")
    where = reviews.params(run_id)
    assert reviews.call("POST", "/sessions/reject", params=where, json={"feedback": "no"}).status_code == 200
    has_state(reviews, run_id, "failed")

    def told() -> set[tuple[str, str]]:
        deliveries = reviews.call("GET", "/deliveries", params=where).json()["deliveries"]
        return {(one["type"], endpoint["endpoint"]) for one in deliveries for endpoint in one["endpoints"]}

    wanted = {("hitl_review.output_ready", "http://127.0.0.1:9/"), ("hitl_review.finalized", "http://127.0.0.1:9/")}
    wait_until(lambda: told() == wanted, timeout=90, what="both events", interval=0.3)

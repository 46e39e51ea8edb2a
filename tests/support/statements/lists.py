"""Statements on XComs, lists of reviews, and outboxes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from airflow.utils.state import TaskInstanceState

from airflow_hitl_review.core.schema import (
    PREFIX,
    SESSION_KEY,
    SUMMARY_KEY,
    WEBHOOK_PREFIX,
    WEBHOOKS_ENDED_KEY,
    WEBHOOKS_KEY,
    output_key,
    webhook_key,
)
from airflow_hitl_review.server.db import compat, open_review_queries, outbox_queries, review_queries, xcoms
from airflow_hitl_review.server.db.transactions import Session, utcnow
from tests.support.api_server import DAG_ID
from tests.support.seed import make_run, seed
from tests.support.seed_outbox import seed_outbox
from tests.support.statements.samples import EARLY, LONG, keys_of, set_columns


def xcom_rows(db: Session) -> None:
    (key,) = keys_of(seed(1, length=len(LONG)))
    value = {"text": "100 % \\ of_it \U0001f642", "n": 9007199254740993, "x": 1.5, "none": None}
    for with_serialized in (compat._SET_TAKES_SERIALIZED, False):
        compat._SET_TAKES_SERIALIZED, before = with_serialized, compat._SET_TAKES_SERIALIZED
        xcoms.write_xcom(db, key, PREFIX + "note", value)
        xcoms.write_xcom(db, key, PREFIX + "note", value)
        compat._SET_TAKES_SERIALIZED = before
    for name in (PREFIX + "noted", PREFIX + "NOTE", "airflow-hitl-review-note", webhook_key("ab")):
        xcoms.write_xcom(db, key, name, 1)
    assert xcoms.read_xcoms(db, key, PREFIX + "note").keys() >= {PREFIX + "note", PREFIX + "noted"}
    found = xcoms.read_xcoms(db, key, PREFIX, without=(WEBHOOK_PREFIX, output_key(1)))
    assert found[PREFIX + "note"].value == value
    assert found.keys() >= {SESSION_KEY, SUMMARY_KEY, PREFIX + "noted", PREFIX + "NOTE"}
    assert not found.keys() & {webhook_key("ab"), output_key(1), "airflow-hitl-review-note"}

    xcoms.set_xcom_time(db, key, PREFIX + "note", EARLY)
    xcoms.rewrite_xcom(db, key, PREFIX + "note", "another")
    xcoms.set_xcom_time(db, key, PREFIX + "note", utcnow(), was=EARLY + timedelta(microseconds=1))
    assert xcoms.xcom_times(db, key, (PREFIX + "note", "nothing")) == {PREFIX + "note": EARLY}
    assert xcoms.read_xcoms(db, key, PREFIX + "note")[PREFIX + "note"].value == "another"
    xcoms.delete_xcom(db, key, PREFIX + "note", was=EARLY + timedelta(microseconds=1))
    assert xcoms.xcom_times(db, key, (PREFIX + "note",))
    xcoms.delete_xcom(db, key, PREFIX + "note", was=EARLY)
    xcoms.delete_xcom(db, key, PREFIX + "noted")
    assert xcoms.xcom_times(db, key, (PREFIX + "note", PREFIX + "noted")) == {}

    xcoms.write_xcom(db, key, SESSION_KEY, "no session")  # it has no summary
    assert xcoms.xcom_times(db, key, (SUMMARY_KEY,)) == {}


def lists(db: Session) -> None:
    run_id = make_run(db, DAG_ID, [TaskInstanceState.AWAITING_INPUT] * 4, name="Lists")
    keys = keys_of(run_id, 4)
    outputs = ("short", LONG + "x", LONG + "y", "100% of_it")
    for n, (key, output) in enumerate(zip(keys, outputs, strict=True)):
        session = {
            "status": "approved" if n == 3 else "pending_review",
            "prompt": ("Größe \U0001f642", "what's \\ 100%", "PLAIN", "of-it")[n],
            "current_output": output,
            "deadline_at": (None, "2026-01-02T00:00:00+00:00", "2026-01-01T00:00:00+00:00")[n % 3],
        }
        xcoms.write_xcom(db, key, SESSION_KEY, session)
        xcoms.set_xcom_time(db, key, SESSION_KEY, EARLY + timedelta(microseconds=n))
        if n == 2:  # as the AI provider's worker leaves it
            xcoms.delete_xcom(db, key, SUMMARY_KEY)
    set_columns(db, keys[3], state=TaskInstanceState.SUCCESS)
    wanted = review_queries.SessionFilter((DAG_ID,), text=run_id)
    ended = replace(wanted, include_ended=True)

    def indexes(wanted: review_queries.SessionFilter, **more: Any) -> list[int]:
        return [row.key.map_index for row in review_queries.list_session_rows(db, wanted, **more)]

    assert indexes(wanted) == [2, 1, 0]
    assert indexes(ended, descending=False, limit=2, offset=1) == [1, 2]
    assert indexes(ended, order_by="run_id", offset=2) == [2, 3]
    assert indexes(replace(ended, statuses=("approved",))) == [3]
    assert review_queries.count_sessions(db, replace(wanted, statuses=("pending_review",))) == 3
    assert review_queries.count_by_dag(db)[DAG_ID] >= 4
    counts = review_queries.count_active_sessions(db, [DAG_ID], "pending_review")
    assert counts[DAG_ID].every >= counts[DAG_ID].in_status >= 3
    assert review_queries.count_active_sessions(db, [], "pending_review") == {}
    for text, in_output, found in (
        (f"{run_id.upper()}", False, {0, 1, 2, 3}),
        ("größe \U0001f642", False, {0}),
        ("WHAT'S \\ 100%", False, {1}),
        ("100%", False, {1}),
        ("100%", True, {1, 3}),
        ("of_it", True, {3}),
        ("mysql's sort buffer. x", True, {1}),
    ):
        some = review_queries.SessionFilter((DAG_ID,), text=text, in_output=in_output, include_ended=True)
        rows = review_queries.list_session_rows(db, some)
        assert {row.key.map_index for row in rows if row.key.run_id == run_id} == found, text
    times = review_queries.list_session_times(db, ended, "deadline_at")
    assert [one.written and one.written[:10] for one in times] == [None, "2026-01-02", "2026-01-01", None]
    loaded = review_queries.load_session_rows(db, [one.id for one in reversed(times)])
    assert [row.key.map_index for row in loaded] == [3, 2, 1, 0]
    assert [len(row.stored.value["current_output"]) for row in loaded] == [10, len(LONG) + 1, 0, 5]
    assert review_queries.load_session_rows(db, []) == []

    db.flush()
    since = open_review_queries.open_review_times(db, EARLY)
    assert [since[one.id] for one in times[:3]] == [EARLY + timedelta(microseconds=n) for n in range(3)]
    assert since.keys() <= open_review_queries.open_review_times(db, None).keys()
    if open_review_queries.can_be_kept(db):
        for count in (4, 10_000):
            ids = [one.id for one in times] * (count // 4)
            kept = {one.id: one for one in open_review_queries.load_open_reviews(db, ids)}
            assert [kept[one.id].deadline_at for one in times[:3]] == [one.written for one in times[:3]]
            assert kept[times[0].id].prompt_length == len("Größe \U0001f642")


def outboxes(db: Session) -> None:
    due, lost = seed(2), seed(1)
    seed_outbox(due, "due", ["one"])
    seed_outbox(lost, "lost", ["one"])
    first, second = keys_of(due, 2)
    (without,) = keys_of(lost)
    later = utcnow() + timedelta(hours=1)
    looks = outbox_queries.due_looks(db, later, 100)
    assert {look.key for look in looks} >= {first, second, without}
    assert outbox_queries.due_looks(db, EARLY, 100) == []
    assert outbox_queries.rows_without_worker(db, 10) == [without]
    assert outbox_queries.dags_with_outbox(db) == [DAG_ID]
    set_columns(db, second, state=TaskInstanceState.UP_FOR_RETRY)
    assert outbox_queries.rows_about_to_be_cleared(db) == [second]

    rows, total = outbox_queries.list_outbox_entries(
        db, dag_ids=[DAG_ID], key=first, status="pending", limit=None, offset=0
    )
    assert (len(rows), total) == (1, 1)
    (name,) = {row.name for row in rows}
    copy = rows[0].stored.value | {"note": LONG}
    xcoms.write_xcom(db, second, name, copy)
    xcoms.write_xcom(db, without, name, copy)
    found = outbox_queries.find_outbox_entries(db, name)
    assert [row.key for row in found] == [first, second, without]
    rows, total = outbox_queries.list_outbox_entries(db, dag_ids=[DAG_ID], key=None, status=None, limit=2, offset=1)
    assert ([row.key for row in rows], total) == ([second, second], 4) or rows[0].key == second

    look = outbox_queries.next_look(db, first)
    assert look is not None
    assert look.row == WEBHOOKS_ENDED_KEY
    look.move(db, later)
    look.end(db)  # somebody has written it since
    outbox_queries.look_by(db, first, EARLY)
    moved = outbox_queries.next_look(db, first)
    assert moved is not None
    assert moved.at == EARLY
    moved.end(db)
    assert outbox_queries.next_look(db, first) is None
    outbox_queries.look_by(db, first, None)
    assert outbox_queries.next_look(db, first) is None
    outbox_queries.look_by(db, first, later)
    assert outbox_queries.next_look(db, first) == outbox_queries.NextLook(first, WEBHOOKS_ENDED_KEY, later)
    still = outbox_queries.next_look(db, without)
    assert still is not None
    assert still.row == WEBHOOKS_KEY

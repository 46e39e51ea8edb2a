"""Statements on task instances, parked reviews, progress, the audit log and Required Actions."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from airflow.jobs.job import Job
from airflow.models.hitl import HITLDetail
from airflow.utils.state import TaskInstanceState
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from airflow_hitl_review.core.required_action_form import Answer
from airflow_hitl_review.core.schema import ACTION_KEY, PREFIX, PROGRESS_KEY, SESSION_KEY
from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.server.db import (
    audit_log,
    compat,
    hitl_detail,
    parked_reviews,
    progress_queries,
    review_stamps,
    task_instances,
    xcoms,
)
from airflow_hitl_review.server.db.locks import Exclusive
from airflow_hitl_review.server.db.mysql import findable_as_id
from airflow_hitl_review.server.db.transactions import Session, transaction, utcnow
from tests.support.api_server import DAG_ID, TASK_ID
from tests.support.seed import make_run, seed
from tests.support.seed_required_actions import seed_required_actions
from tests.support.statements.samples import EARLY, facts, keys_of, set_columns


def audit(db: Session) -> None:
    (key,) = keys_of(seed(1))
    told = facts(db, key)
    assert audit_log.read_last_audit_entry(db, told, ["hitl_review.approve"]) is None
    for n in (1, 2):
        audit_log.write_audit_log(db, told, event="hitl_review.approve", user=None, extra={"n": n})
    db.flush()
    event_, extra = audit_log.read_last_audit_entry(db, told, ["hitl_review.approve", "x"]) or ("", {})
    assert (event_, extra["n"]) == ("hitl_review.approve", 2)
    other = replace(told, id="another")
    assert audit_log.read_last_audit_entry(db, other, ["hitl_review.approve"]) is None


def tasks(db: Session) -> None:
    run_id = seed(4)
    new, moved, parked, gone = keys_of(run_id, 4)
    assert task_instances.load_task_instance(db, TaskKey(DAG_ID, "no run", TASK_ID), lock=True) is None
    for name in (
        DAG_ID + " ",
        DAG_ID.upper(),
        DAG_ID + "\U0001f642",
    ):
        other = TaskKey(findable_as_id(name), new.run_id, TASK_ID, 0)
        assert task_instances.load_task_instance(db, other, lock=True) is None
    before = facts(db, new)
    assert task_instances.load_task_instance(db, new, lock=True) == before
    set_columns(db, new, next_method=None, try_number=2, state=TaskInstanceState.QUEUED)
    set_columns(db, moved, next_method=None, state=TaskInstanceState.UP_FOR_RESCHEDULE)
    assert task_instances.find_new_try(db, before.id) == new
    assert task_instances.find_new_try(db, facts(db, parked).id) is None
    assert task_instances.list_rescheduled(db) == [moved]
    assert task_instances.find_start_from_the_beginning(db, before.id) == new
    assert task_instances.find_start_from_the_beginning(db, facts(db, parked).id) is None
    task_instances.go_on_with_review(db, new)
    assert facts(db, new).next_method == "resume_hitl_review"
    job: Any = Job()  # type: ignore[no-untyped-call]
    job.latest_heartbeat = EARLY
    db.add(job)
    db.flush()
    assert [task_instances.load_heartbeat(db, n) for n in (job.id, None)] == [EARLY, None]

    xcoms.set_xcom_time(db, parked, SESSION_KEY, utcnow() + timedelta(hours=1))
    assert parked_reviews.written_since_the_park(db)[0] == parked
    assert parked_reviews.written_since_the_park(db, utcnow() + timedelta(hours=2)) == []
    task_instances.park_anew(db, parked)
    assert parked_reviews.decided_but_parked(db) == []
    xcoms.write_xcom(db, parked, ACTION_KEY, {})
    xcoms.set_xcom_time(db, parked, ACTION_KEY, utcnow() + timedelta(hours=1))
    assert parked_reviews.decided_but_parked(db) == [parked]
    xcoms.delete_xcom(db, gone, SESSION_KEY)
    assert parked_reviews.parked_without_session(db) == [gone]
    xcoms.write_xcom(db, new, SESSION_KEY, {"status": "pending_review", "deadline_at": EARLY.isoformat()})
    set_columns(db, new, state=TaskInstanceState.DEFERRED)
    assert parked_reviews.deferred_past_deadline(db, EARLY + timedelta(seconds=1)) == [new]
    assert parked_reviews.deferred_past_deadline(db, EARLY - timedelta(seconds=1)) == []
    for as_next_try, key in ((True, parked), (False, gone)):
        task_instances.resume(db, key, {"decided": True}, as_next_try=as_next_try)
        db.flush()
        db.expire_all()
        assert (facts(db, key).state, facts(db, key).try_number) == ("scheduled", 1 + as_next_try)
    try:
        task_instances.resume(db, TaskKey(DAG_ID, "no run", TASK_ID), {})
    except LookupError:
        return
    raise AssertionError


def progress(db: Session) -> None:
    run_id = make_run(db, DAG_ID, [TaskInstanceState.RUNNING] * 3, name="progress")
    keys = keys_of(run_id, 3)
    for key, at in zip(keys, (EARLY, None, EARLY + timedelta(days=1)), strict=True):
        xcoms.write_xcom(db, key, PROGRESS_KEY, {"text": "Reading"})
        set_columns(db, key, start_date=at)
    assert progress_queries.load_progress(db, keys).keys() == set(keys)
    assert [key.map_index for key in progress_queries.first_outputs(db, 10) if key.started_at] == [2, 0]
    stamp = review_stamps.inbox_stamp(db)
    stamps = review_stamps.review_stamps(db, keys)
    assert stamps.keys() == set(keys)
    xcoms.write_xcom(db, keys[0], SESSION_KEY, {"status": "pending_review"})
    assert len(progress_queries.first_outputs(db, 10)) == 2
    assert review_stamps.inbox_stamp(db) != stamp
    assert review_stamps.review_stamps(db, keys)[keys[0]] != stamps[keys[0]]


def required_actions(db: Session) -> None:
    run_id, other_id = seed(2), seed(1)
    seed_required_actions(run_id, "parked")
    (without,) = keys_of(other_id)
    answered, shown = keys_of(run_id, 2)
    taken: list[TaskKey] = []
    told: list[TaskKey] = []

    def take(inner: Session, key: TaskKey, _: Any) -> None:
        taken.append(key)

    listener = hitl_detail.AnswerListener(take, told.append)
    listener.start()
    try:
        with transaction() as other:
            row = other.get(HITLDetail, compat.task_instance_id(facts(other, answered).id))
            assert row is not None
            row.responded_at, row.responded_by = utcnow(), {"id": "ann", "name": "Ann"}
            row.chosen_options, row.params_input = [row.options[0]], {}
        with transaction() as other:
            session = {"status": "pending_review", "prompt": "Another", "current_output": "Another", "iteration": 2}
            for key in (answered, without):
                xcoms.write_xcom(other, key, SESSION_KEY, session)
            xcoms.write_xcom(other, without, SESSION_KEY, {"status": "approved"})
    finally:
        listener.stop()
    assert (taken, told) == ([answered], [answered])
    detail = db.get(HITLDetail, compat.task_instance_id(facts(db, answered).id))
    assert detail is not None
    assert detail.subject == "Another"
    answer = Answer("Approve", {}, None, None)
    for _ in range(2):
        hitl_detail.close_required_action(db, facts(db, shown), answer)
    detail = db.get(HITLDetail, compat.task_instance_id(facts(db, shown).id))
    assert detail is not None
    assert detail.chosen_options == ["Approve"]
    set_columns(db, shown, state=TaskInstanceState.RUNNING)
    hitl_detail.close_required_action(db, facts(db, shown), answer)


def locks(db: Session) -> None:
    one, other = Exclusive("a name"), Exclusive("a name")
    assert one.acquire()
    assert other.acquire() is (db.get_bind().dialect.name == "sqlite")
    one.release()
    assert other.acquire()
    other.release()
    other.release()


def row_locks(db: Session) -> None:
    """While a decision is made, a worker can store an XCom, and another decision waits."""
    (key,) = keys_of(seed(1))
    impatience = {
        "postgresql": "set local lock_timeout = '5s'",
        "mysql": "set session innodb_lock_wait_timeout = 5",
    }.get(db.get_bind().dialect.name)
    if impatience is None:
        return
    assert task_instances.load_task_instance(db, key, lock=True)
    with transaction() as worker:
        worker.execute(text(impatience))
        xcoms.write_xcom(worker, key, PREFIX + "note", 1)
    try:
        with transaction() as other:
            other.execute(text(impatience))
            task_instances.load_task_instance(other, key, lock=True)
    except OperationalError:
        return
    raise AssertionError

"""Put reviews that ``tests.support.seed`` has made into Airflow's Required Actions.

Of the kind

- ``parked``: as their worker leaves them;
- ``text`` or ``json``: likewise, with an output of that format that may be edited;
- ``running``: their tasks have not parked yet;
- ``foreign``: they are no reviews at all, but another operator's question with options of its own.
"""

from __future__ import annotations

from airflow.models.hitl import HITLDetail
from airflow.models.taskinstance import TaskInstance
from airflow.utils.state import TaskInstanceState
from sqlalchemy import select

from airflow_hitl_review.core.required_action_form import OPTIONS, form_of
from airflow_hitl_review.core.schema import SESSION_KEY, output_key
from airflow_hitl_review.core.stored import parse_session
from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.server.db.transactions import site, transaction
from airflow_hitl_review.server.db.xcoms import delete_xcom, read_xcoms, write_xcom


def seed_required_actions(run_id: str, kind: str, output: str = "") -> None:
    """Add the rows for all reviews of a run; ``output`` is that of the editable ones."""
    with transaction() as db:
        found = db.scalars(
            select(TaskInstance).where(TaskInstance.run_id == run_id, TaskInstance.map_index >= 0)
        ).all()
        for ti in found:
            key = TaskKey(ti.dag_id, ti.run_id, ti.task_id, ti.map_index)
            if kind == "foreign":
                delete_xcom(db, key, SESSION_KEY)
                db.add(HITLDetail(ti_id=ti.id, options=["Approve", "Reject"], subject="Another question"))
                continue
            session = parse_session(read_xcoms(db, key, SESSION_KEY)[SESSION_KEY])
            if kind in ("text", "json"):
                editable = {"current_output": output, "output_format": kind, "allow_modifications": True}
                session = session.model_copy(update=editable)
                write_xcom(db, key, output_key(1), output)
                write_xcom(db, key, SESSION_KEY, session.model_dump(mode="json"))
            form = form_of(key, session, site())
            db.add(
                HITLDetail(
                    ti_id=ti.id, options=list(OPTIONS), subject=form.subject, body=form.body, params=form.params
                )
            )
            if kind == "running":
                ti.state = TaskInstanceState.RUNNING

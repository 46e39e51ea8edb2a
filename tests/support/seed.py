"""Make parked reviews without running a task: ``python -m tests.support.seed`` in an Airflow's environment.

Reads lines from stdin, each a JSON list: how many reviews, and, to fill their outboxes too, a kind and endpoints
(see ``tests.support.seed_outbox``), ``required_actions`` and a kind (see ``tests.support.seed_required_actions``),
``reviewers`` and the ids of the only people who may decide, or ``length`` and that of the outputs. Answers each
with the run's id. It stays alive because importing Airflow takes longer than all the rest.

Everything goes through Airflow's own models and this project's own XCom writing.
"""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Sequence

from airflow.models.dag_version import DagVersion
from airflow.models.serialized_dag import SerializedDagModel
from airflow.models.taskinstance import TaskInstance
from airflow.utils.state import DagRunState, TaskInstanceState
from airflow.utils.types import DagRunTriggeredByType, DagRunType

from airflow_hitl_review.core.schema import SESSION_KEY, AgentSession, output_key
from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.server.db.task_instances import load_task_instance, park_anew
from airflow_hitl_review.server.db.transactions import Session, transaction, utcnow
from airflow_hitl_review.server.db.xcoms import write_xcom
from tests.support.api_server import DAG_ID, TASK_ID
from tests.support.seed_outbox import seed_outbox
from tests.support.seed_required_actions import seed_required_actions


def make_run(
    db: Session,
    dag_id: str,
    states: Sequence[TaskInstanceState],
    *,
    mapped: bool = True,
    name: str = "seed",
) -> str:
    """Make a run with one task instance for each state, and return its id; not ``mapped``, with just one."""
    run_id = f"{name}+{uuid.uuid4().hex[:8]}"  # a plus, as in the ids of scheduled runs
    dag = SerializedDagModel.get_dag(dag_id, session=db)
    version = DagVersion.get_latest_version(dag_id, session=db)
    assert dag is not None
    assert version is not None
    dag_run = dag.create_dagrun(
        run_id=run_id,
        logical_date=None,
        run_after=utcnow(),
        run_type=DagRunType.MANUAL,
        triggered_by=DagRunTriggeredByType.TEST,
        state=DagRunState.RUNNING,
        session=db,
    )
    task = dag.get_task(TASK_ID)
    for index, state in enumerate(states):
        if mapped:
            ti = TaskInstance(task=task, run_id=run_id, dag_version_id=version.id, map_index=index)
        else:
            found = dag_run.get_task_instance(TASK_ID, session=db)  # made with the run
            assert isinstance(found, TaskInstance)
            ti = found
        ti.state = state
        ti.try_number = 1
        ti.next_method = "resume_hitl_review"
        ti.next_kwargs = {}
        db.add(ti)
    db.flush()
    return run_id


def seed(count: int, reviewers: Sequence[str] = (), length: int = 0) -> str:
    """Make a run with ``count`` mapped, parked reviews, of outputs of at least that length, and return its id."""
    with transaction() as db:
        run_id = make_run(db, DAG_ID, [TaskInstanceState.AWAITING_INPUT] * count)
        now = utcnow()
        for index in range(count):
            key = TaskKey(DAG_ID, run_id, TASK_ID, index)
            output = f"Draft of item {index}." + " More of it." * (length // 12)
            task_instance = load_task_instance(db, key)
            assert task_instance is not None
            session = AgentSession(
                prompt=f"Item {index}",
                current_output=output,
                task_instance_id=task_instance.id,
                reviewers=list(reviewers),
                created_at=now,
                updated_at=now,
            )
            write_xcom(db, key, output_key(1), output)
            write_xcom(db, key, SESSION_KEY, session.model_dump(mode="json"))
            # As a worker, which parks after it has written: what is written later, the sweep looks at.
            park_anew(db, key)
    return run_id


if __name__ == "__main__":
    for line in sys.stdin:
        count, *outbox = json.loads(line)
        length = int(outbox[1]) if outbox[:1] == ["length"] else 0
        made = seed(count, outbox[1:] if outbox[:1] == ["reviewers"] else (), length)
        if outbox[:1] == ["required_actions"]:
            seed_required_actions(made, *outbox[1:])
        elif outbox and outbox[0] not in ("reviewers", "length"):
            seed_outbox(made, outbox[0], outbox[1:])
        print(f"made {made}", flush=True)  # noqa: T201 - its result

"""Make the reviews that a test describes: ``python -m tests.support.seed_inbox`` in an Airflow's environment.

Reads from stdin JSON of the form ``{"teams": {dag_id: team}, "runs": {dag_id: [review, ...]}}``, where a review is
``{"state": ..., "session": ..., "timestamp": ...}``: the state of its task instance, the value under the session's
key, as it is, and the row's time. Prints the ids of the runs, by DAG, as the last line.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import Any

from airflow.models.dag import DagModel
from airflow.models.dagbundle import DagBundleModel
from airflow.models.team import Team
from airflow.utils.state import TaskInstanceState

from airflow_hitl_review.core.schema import SESSION_KEY
from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.server.db.transactions import Session, transaction
from airflow_hitl_review.server.db.xcoms import set_xcom_time, write_xcom
from tests.support.api_server import TASK_ID
from tests.support.seed import make_run


def give_to(db: Session, dag_id: str, team_name: str) -> None:
    """Move a DAG into a bundle of that team."""
    bundle = DagBundleModel(name=f"of-{team_name}")
    bundle.teams.append(db.get_one(Team, team_name))
    db.add(bundle)
    db.flush()
    db.get_one(DagModel, dag_id).bundle_name = bundle.name


def seed_reviews(db: Session, dag_id: str, reviews: list[dict[str, Any]]) -> str:
    """Make a run with those reviews, one map index each."""
    run_id = make_run(db, dag_id, [TaskInstanceState(review["state"]) for review in reviews])
    for index, review in enumerate(reviews):
        key = TaskKey(dag_id, run_id, TASK_ID, index)
        write_xcom(db, key, SESSION_KEY, review["session"])
        set_xcom_time(db, key, SESSION_KEY, datetime.fromisoformat(review["timestamp"]))
    return run_id


if __name__ == "__main__":
    wanted = json.load(sys.stdin)
    with transaction() as database:
        for dag, team in wanted["teams"].items():
            give_to(database, dag, team)
        made = {dag: seed_reviews(database, dag, reviews) for dag, reviews in wanted["runs"].items()}
    print(json.dumps(made))  # noqa: T201 - its result

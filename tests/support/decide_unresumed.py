"""Approve a review as an API server does that is killed before it resumes the task.

``python -m tests.support.decide_unresumed <DAG id> <run id> <task id>`` in an Airflow's environment.
"""

from __future__ import annotations

import sys

from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

from airflow_hitl_review.core.states import Action
from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.server.db.transactions import transaction, utcnow
from airflow_hitl_review.server.reviews.decisions import Request, decide

if __name__ == "__main__":
    dag_id, run_id, task_id = sys.argv[1:]
    with transaction() as db:
        admin = SimpleAuthManagerUser(username="admin", role="admin")
        decide(db, TaskKey(dag_id, run_id, task_id), Request(Action.APPROVE), admin, now=utcnow())

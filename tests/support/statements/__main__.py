"""Runs them, and checks what they find: ``python -m tests.support.statements``, in an Airflow's environment, on a
database that nothing else uses.

Prints, as the last line, JSON: the database, how many statements ran, which of them a database refuses, and which
lines with SQL did not run.
"""

from __future__ import annotations

import json

from airflow.cli.cli_parser import get_parser

from airflow_hitl_review.server.db.transactions import transaction
from tests.support.statements import lists, tasks
from tests.support.statements.watch import Watch, lines_not_run

SAMPLES = (
    tasks.audit,
    tasks.tasks,
    tasks.progress,
    tasks.required_actions,
    tasks.locks,
    tasks.row_locks,
    lists.xcom_rows,
    lists.lists,
    lists.outboxes,
)

if __name__ == "__main__":
    command = get_parser().parse_args(["dags", "reserialize"])
    command.func(command)
    watch = Watch()
    for sample in SAMPLES:
        with transaction() as db:
            sample(db)
        database = db.get_bind().dialect.name
    left = lines_not_run(watch.lines, database)
    print(json.dumps({"database": database, "count": watch.count, "refused": watch.refused, "left": left}))  # noqa: T201

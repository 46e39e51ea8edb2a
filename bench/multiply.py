"""Many reviews quickly: one that was made by Airflow's models and ours, copied by PostgreSQL."""

from __future__ import annotations

from sqlalchemy import create_engine, text

from airflow_hitl_review.core.schema import SESSION_KEY
from tests.support.api_server import ReviewServer

PER_RUN = 100
"""Reviews in one run."""

OUTPUT_LENGTH = 4000
"""Characters of each output."""

# Each statement copies the rows of one seeded review, with other keys. A copy is the row itself, laid over by what
# differs, so that it need not name Airflow's columns, which change from version to version.
_RUNS = """
insert into dag_run
select copy.*
from dag_run as given, generate_series(cast(:first as int), cast(:last as int)) as n,
  lateral jsonb_populate_record(given, jsonb_build_object(
    'id', 1000000 + n, 'run_id', 'bulk+' || n, 'dag_id', coalesce(cast(:dag as text) || n, given.dag_id),
    'run_after', now() - n * interval '1 minute')) as copy
where given.run_id = :run_id
"""
_TASKS = """
insert into task_instance
select copy.*
from task_instance as given, generate_series(cast(:first as int), cast(:last as int)) as n,
  generate_series(0, :per_run - 1) as m,
  lateral jsonb_populate_record(given, jsonb_build_object(
    'id', gen_random_uuid(), 'run_id', 'bulk+' || n, 'dag_id', coalesce(cast(:dag as text) || n, given.dag_id),
    'map_index', m)) as copy
where given.run_id = :run_id and given.map_index = 0
"""
_XCOMS = """
insert into xcom
select copy.*
from xcom as given, generate_series(cast(:first as int), cast(:last as int)) as n,
  generate_series(0, :per_run - 1) as m,
  lateral (
    -- 32 hex digits at a time: no compression makes a row of these much shorter
    select string_agg(md5(n || ' ' || m || ' ' || part), ' ') as words
    from generate_series(1, :length / 33) as part
  ) as made,
  lateral jsonb_populate_record(given, jsonb_build_object(
    'dag_run_id', 1000000 + n, 'run_id', 'bulk+' || n, 'map_index', m,
    'dag_id', coalesce(cast(:dag as text) || n, given.dag_id),
    'timestamp', now() - (n * :per_run + m) * interval '1 second',
    'value', case when given.key = :session_key
      then given.value
        || jsonb_build_object('prompt', 'Item ' || m || ' of run ' || n, 'current_output', made.words)
      else to_jsonb(made.words) end)) as copy
where given.run_id = :run_id and given.map_index = 0
"""


def multiply(
    server: ReviewServer,
    run_id: str,
    count: int,
    *,
    start: int = 0,
    per_run: int = PER_RUN,
    dag: str | None = None,
) -> None:
    """Copy a seeded review.

    Args:
        server: whose database, a PostgreSQL.
        run_id: the run whose first review is copied.
        count: how many copies, a multiple of ``per_run``.
        start: copies that are there already, likewise.
        per_run: how many in one run.
        dag: each run is of another DAG, whose id begins so; None for all of the same one.
    """
    values = {
        "run_id": run_id,
        "first": start // per_run + 1,
        "last": (start + count) // per_run,
        "per_run": per_run,
        "dag": dag,
        "length": OUTPUT_LENGTH,
        "session_key": SESSION_KEY,
    }
    engine = create_engine(server.airflow.database)
    try:
        with engine.begin() as connection:
            for statement in (_RUNS, _TASKS, _XCOMS):
                connection.execute(text(statement), values)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("vacuum analyze"))
    finally:
        engine.dispose()

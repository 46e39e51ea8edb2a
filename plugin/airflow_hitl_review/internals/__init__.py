"""All of Airflow's server side that we touch: database models, sessions, auth, audit log, resuming a task.

Nothing outside this folder imports those modules (a test holds it to that), so that a new Airflow version
is a change in here. Written for Airflow 3.3. All times are timezone-aware UTC.
"""

from __future__ import annotations

from airflow_hitl_review.internals.connections import Exclusive, load_connection
from airflow_hitl_review.internals.database import Session, base_path, base_url, option, transaction, utcnow
from airflow_hitl_review.internals.outbox import (
    OutboxRow,
    dags_with_outbox,
    due_rows,
    find_outbox_entry,
    list_outbox_entries,
    rows_about_to_be_cleared,
    rows_without_worker,
)
from airflow_hitl_review.internals.people import (
    BaseUser,
    Method,
    Person,
    get_user,
    may,
    may_use_connection,
    team_names,
    write_audit_log,
)
from airflow_hitl_review.internals.required_actions import AnswerListener, GivenAnswer, close_required_action
from airflow_hitl_review.internals.sessions import (
    ActiveCount,
    ColumnName,
    SessionFilter,
    SessionRow,
    SessionTime,
    count_active_sessions,
    count_sessions,
    dags_with_sessions,
    decided_but_parked,
    list_session_rows,
    list_session_times,
    load_session_rows,
)
from airflow_hitl_review.internals.stamps import inbox_stamp, review_stamps
from airflow_hitl_review.internals.tasks import (
    AWAITING_INPUT,
    BEFORE_A_TRY,
    TaskInstanceFacts,
    find_new_try,
    load_scheduler,
    load_task_instance,
    resume,
)
from airflow_hitl_review.internals.xcoms import (
    delete_xcom,
    read_xcoms,
    rewrite_xcom,
    set_xcom_time,
    values_are_in_the_row,
    write_xcom,
)

__all__ = [
    "AWAITING_INPUT",
    "BEFORE_A_TRY",
    "ActiveCount",
    "AnswerListener",
    "BaseUser",
    "ColumnName",
    "Exclusive",
    "GivenAnswer",
    "Method",
    "OutboxRow",
    "Person",
    "Session",
    "SessionFilter",
    "SessionRow",
    "SessionTime",
    "TaskInstanceFacts",
    "base_path",
    "base_url",
    "close_required_action",
    "count_active_sessions",
    "count_sessions",
    "dags_with_outbox",
    "dags_with_sessions",
    "decided_but_parked",
    "delete_xcom",
    "due_rows",
    "find_new_try",
    "find_outbox_entry",
    "get_user",
    "inbox_stamp",
    "list_outbox_entries",
    "list_session_rows",
    "list_session_times",
    "load_connection",
    "load_scheduler",
    "load_session_rows",
    "load_task_instance",
    "may",
    "may_use_connection",
    "option",
    "read_xcoms",
    "resume",
    "review_stamps",
    "rewrite_xcom",
    "rows_about_to_be_cleared",
    "rows_without_worker",
    "set_xcom_time",
    "team_names",
    "transaction",
    "utcnow",
    "values_are_in_the_row",
    "write_audit_log",
    "write_xcom",
]

"""All of Airflow's server side that we touch: database models, sessions, auth, audit log, resuming a task.

Nothing outside this folder imports those modules (a test holds it to that), so that a new Airflow version
is a change in here. For Airflow 3.1 to 3.3; what differs is in ``versions``. All times are timezone-aware UTC.
"""

from __future__ import annotations

from airflow_hitl_review.internals.connections import Exclusive, load_connection
from airflow_hitl_review.internals.database import Session, after_commit, option, site, transaction, utcnow
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
    everybody_is_logged_in,
    get_user,
    may,
    may_use_connection,
    origins,
    read_last_audit_entry,
    team_names,
    write_audit_log,
)
from airflow_hitl_review.internals.required_actions import AnswerListener, GivenAnswer, close_required_action
from airflow_hitl_review.internals.sessions import (
    ColumnName,
    SessionFilter,
    SessionRow,
    SessionTime,
    count_active_sessions,
    count_by_dag,
    count_sessions,
    decided_but_parked,
    list_session_rows,
    list_session_times,
    load_session_rows,
    written_since_the_park,
)
from airflow_hitl_review.internals.stamps import inbox_stamp, review_stamps
from airflow_hitl_review.internals.stats import start_stats, stats, stats_are_sent
from airflow_hitl_review.internals.tasks import (
    BEFORE_A_TRY,
    TaskInstanceFacts,
    find_new_try,
    find_start_from_the_beginning,
    go_on_with_review,
    list_rescheduled,
    load_scheduler,
    load_task_instance,
    park_anew,
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
    "BEFORE_A_TRY",
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
    "after_commit",
    "close_required_action",
    "count_active_sessions",
    "count_by_dag",
    "count_sessions",
    "dags_with_outbox",
    "decided_but_parked",
    "delete_xcom",
    "due_rows",
    "everybody_is_logged_in",
    "find_new_try",
    "find_outbox_entry",
    "find_start_from_the_beginning",
    "get_user",
    "go_on_with_review",
    "inbox_stamp",
    "list_outbox_entries",
    "list_rescheduled",
    "list_session_rows",
    "list_session_times",
    "load_connection",
    "load_scheduler",
    "load_session_rows",
    "load_task_instance",
    "may",
    "may_use_connection",
    "option",
    "origins",
    "park_anew",
    "read_last_audit_entry",
    "read_xcoms",
    "resume",
    "review_stamps",
    "rewrite_xcom",
    "rows_about_to_be_cleared",
    "rows_without_worker",
    "set_xcom_time",
    "site",
    "start_stats",
    "stats",
    "stats_are_sent",
    "team_names",
    "transaction",
    "utcnow",
    "values_are_in_the_row",
    "write_audit_log",
    "write_xcom",
    "written_since_the_park",
]

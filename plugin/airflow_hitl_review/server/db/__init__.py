"""All of Airflow's server side that we touch: database models, sessions, auth, audit log, resuming a task.

Nothing outside this folder imports those modules (``make check`` holds it to that), so that a new Airflow version
is a change in here. For Airflow 3.1 to 3.3; what differs is in ``compat``. All times are timezone-aware UTC.
"""

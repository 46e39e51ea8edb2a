"""All access to Airflow's server side: database models, sessions, auth, audit log, resuming a task.

Nothing outside this folder imports those modules (``make check`` enforces that), so a new Airflow version only
needs changes here. Supports Airflow 3.1 to 3.3; ``compat`` has the differences. All times are timezone-aware UTC.
"""

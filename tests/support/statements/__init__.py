"""Every SQL statement of ``airflow_hitl_review``, run on an Airflow's database, and compiled for the others."""

"""HTTP: the REST API, the pages, and middleware for Airflow's own requests."""

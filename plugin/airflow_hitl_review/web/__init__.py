"""HTTP: the REST API, the pages, and what is on the way of Airflow's own requests."""

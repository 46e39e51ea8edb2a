"""Access control of each route, with each of Airflow's auth managers, and hostile requests."""

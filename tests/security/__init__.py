"""Who gets what from each route, with each of Airflow's auth managers."""

"""What runs anywhere: states, schema, settings, events. It imports nothing of Airflow's server."""

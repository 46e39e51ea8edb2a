"""Shared code: states, schema, settings, events. It does not import Airflow's server."""

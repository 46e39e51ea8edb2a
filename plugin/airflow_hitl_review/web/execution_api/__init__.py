"""Middleware for workers' requests to Airflow's execution API."""

"""On the way of workers' requests to Airflow's execution API."""

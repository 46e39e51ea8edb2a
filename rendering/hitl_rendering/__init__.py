"""Renders texts of models and users for display: outputs, changes between outputs, titles.

The notebook panel and the page on Airflow's API server render texts only through this package. It imports neither
of them, nor Airflow or Jupyter. CSS classes start with ``hitl-``; the caller provides the style sheet.
"""

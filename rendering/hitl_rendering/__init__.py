"""Texts of models and people as HTML that is safe to show: outputs, and what changed from one to the next.

The panel in the notebook and the page on Airflow's API server show texts through here, and through nothing else.
Imports neither of them, nor Airflow or Jupyter. CSS classes start with ``hitl-``; who shows the HTML styles them.
"""

"""The examples that users copy, as they are, where what they need is installed."""

from __future__ import annotations

import os

if os.environ.get("TEST_EXAMPLES"):
    from airflow_hitl_review.example_dags.example_hitl_review_function import example as of_function
    from airflow_hitl_review.example_dags.example_hitl_review_langchain import example as of_langchain
    from airflow_hitl_review.example_dags.example_hitl_review_pydantic_ai import example as of_pydantic_ai
    from airflow_hitl_review.example_dags.example_hitl_review_tool_calls import example as of_tool_calls
    from airflow_hitl_review.example_dags.example_hitl_review_typed import example as of_typed

    __all__ = ["of_function", "of_langchain", "of_pydantic_ai", "of_tool_calls", "of_typed"]

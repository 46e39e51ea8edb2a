"""LangChain: a callback handler that tells the reviewer what a chain or an agent did.

Needs ``pip install langchain-core``.
"""

from __future__ import annotations

from airflow_hitl_review.task.langchain_trace import TraceHandler

__all__ = ["TraceHandler"]

"""What tests of the worker's side have in common."""

from __future__ import annotations

import pytest

from airflow_hitl_review.task import task_xcoms


@pytest.fixture
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """XComs that fail are not tried again, and there are no Required Actions."""
    monkeypatch.setattr(task_xcoms, "SECOND_TRIES", ())
    monkeypatch.setenv("AIRFLOW__HITL_REVIEW__REQUIRED_ACTIONS", "False")

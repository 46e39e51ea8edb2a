"""What tests of the worker's side have in common."""

from __future__ import annotations

import pytest

from airflow_hitl_review.task import task_xcoms
from hitl_webhooks.send.delivery import deliver


@pytest.fixture
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """XComs and webhooks that fail are not tried again, and there are no Required Actions."""
    monkeypatch.setattr(task_xcoms, "SECOND_TRIES", ())
    assert deliver.__kwdefaults__ is not None
    monkeypatch.setitem(deliver.__kwdefaults__, "retries", ())
    monkeypatch.setenv("AIRFLOW__HITL_REVIEW__REQUIRED_ACTIONS", "False")

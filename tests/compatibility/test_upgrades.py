"""Reviews that wait while Airflow, or this project, is upgraded."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.compatibility.conftest import need_python
from tests.compatibility.environments import VERSIONS, Version
from tests.compatibility.stories import Stories

pytestmark = [pytest.mark.live, pytest.mark.postgres, pytest.mark.timeout(3600)]


@pytest.fixture(params=[one for one in VERSIONS if one.is_upgraded], ids=lambda version: version.name)
def told(request: pytest.FixtureRequest, stories: Stories) -> dict[str, Any]:
    """The end of the story of a version that is upgraded to the newest one."""
    version: Version = request.param
    need_python(version)
    facts: dict[str, Any] = stories.of(version).facts["upgrade"]
    return facts


@pytest.fixture
def restart(stories: Stories) -> dict[str, Any]:
    return stories.restart()


def test_reviews_that_wait_during_an_airflow_upgrade_end_as_decided(told: dict[str, Any]) -> None:
    """With a deadline and without, in a second round, mapped, edited, in Required Actions, and of an agent."""
    assert told["states"] == {"deferred"}
    assert told["version"] == VERSIONS[-1].airflow
    assert told["states of the next round"] == {"awaiting_input"}
    assert told["answers"] == [200] * len(told["answers"])
    assert told["ends"]["upgraded"] == {
        ("late", -1): "failed",
        ("changed", -1): "success",
        ("answered", -1): "success",
        ("decided", -1): "success",
        ("not_resumed", -1): "success",
        ("typed", -1): "success",
        ("polled", -1): "success",
        ("greet", 0): "failed",
    }
    results = told["results"]
    assert results["upgraded", "changed", -1] == "Draft, more, still more"
    assert results["upgraded", "answered", -1] == "Draft"
    assert results["upgraded", "typed", -1] == {"title": "Edited", "count": 2**53 + 3}
    assert (told["ends"]["upgraded_agent"], results["upgraded_agent", "asked", -1]) == (
        {("asked", -1): "success"},
        "Done.",
    )
    assert told["calls"] == '["refund", 7]\n'


def test_decisions_just_before_an_airflow_upgrade_are_carried_out(told: dict[str, Any]) -> None:
    """One whose task was resumed, but had no scheduler any more; and one whose API server was killed first."""
    assert (told["decided before"], told["resumed before"]) == (200, "scheduled")
    for task_id in ("decided", "not_resumed"):
        assert told["results"]["upgraded", task_id, -1] == "Draft"


def test_deadline_of_a_deferred_review_is_noticed_without_a_triggerer(told: dict[str, Any]) -> None:
    assert told["late"] == "timeout_exceeded"


def test_review_that_polls_is_made_anew_after_an_airflow_upgrade(told: dict[str, Any]) -> None:
    """Its task has a retry left; before, the client tells which reviews those are."""
    assert told["running"] == ["polled"]
    assert told["results"]["upgraded", "polled", -1] == "Draft"


def test_reviews_of_version_0_1_0_survive_both_upgrades(told: dict[str, Any]) -> None:
    assert told["of version 0.1.0"] == [True, True]
    assert told["ends"]["before"] == {("approved", -1): "success", ("changed", -1): "success"}
    assert told["results"]["before", "approved", -1]["round"] == 1
    changed = told["results"]["before", "changed", -1]
    assert (changed["round"], changed["after"]) == (2, "still more")
    assert [type_ for type_, _ in told["waiting events"]] == ["hitl_review.output_ready"] * 2
    assert set(told["waiting events"]) <= set(told["events"])
    assert Counter(told["accepted"]) == Counter(id_ for _, id_ in told["events"])


def test_both_versions_decide_during_a_rolling_restart(restart: dict[str, Any]) -> None:
    """The old API server decides about what the new workers parked, too, and the new one about the old ones'."""
    old, new = restart["at both"]
    assert (old["status"], new["status"]) == ("pending_review", "pending_review")
    assert ("allow_modifications" in old, "allow_modifications" in new) == (False, True)
    for name, rounds in (("before", (1, 2)), ("after", (1, 3))):
        assert restart[name] == {"approved": "success", "changed": "success"}
        results = restart[f"results {name}"]
        assert (results["approved"]["round"], results["changed"]["round"]) == rounds
        made_by_old = results["approved"]["code"].startswith(restart["version 0.1.0"])
        assert made_by_old is (name == "before")
    assert restart["results before"]["changed"]["code"].startswith(restart["version 0.1.0"])


def test_events_are_delivered_once_during_a_rolling_restart(restart: dict[str, Any]) -> None:
    """To an endpoint that both versions reach, and to one that answers when only the new one is left."""
    events = restart["events"]
    assert [type_ for type_, _ in restart["waiting events"]] == ["hitl_review.output_ready"] * 2
    assert set(restart["waiting events"]) <= set(events)
    assert Counter(type_ for type_, _ in events) == {
        "hitl_review.output_ready": 6,
        "hitl_review.changes_requested": 2,
        "hitl_review.finalized": 4,
    }
    once = Counter(id_ for _, id_ in events)
    assert Counter(restart["accepted"]) == once
    assert Counter(restart["steady"]) == once

"""On each Airflow from 3.1.0 on: who may, what is listed, both ways of waiting, decisions, and the AI provider."""

from __future__ import annotations

from typing import Any

import pytest

from tests.compatibility.conftest import need_python
from tests.compatibility.environments import VERSIONS
from tests.compatibility.stories import Stories
from tests.compatibility.story import Story
from tests.compatibility.table import check, table

pytestmark = [pytest.mark.live, pytest.mark.postgres, pytest.mark.timeout(3600)]


def test_it_is_that_version(told: Story) -> None:
    assert told.facts["version"] == told.version.airflow


def test_who_may(told: Story) -> None:
    assert told.facts["auth"] == {
        "health, nobody": 200,
        "list, nobody": 401,
        "find, viewer": 200,
        "approve, viewer": 403,
        "approve, nobody": 401,
    }


def test_what_waits_is_listed(told: Story) -> None:
    listed = {(row["dag_id"], row["task_id"], row["map_index"]) for row in told.facts["list"]["sessions"]}
    assert listed == set(told.facts["wanted"])
    assert told.facts["list"]["waiting"] == len(listed)
    assert {row["dag_id"] for row in told.facts["by prompt"]["sessions"]} == {"ours"}
    assert told.facts["unchanged"] == 304
    assert told.facts["page"] == 200


def test_a_parked_review_holds_no_slot(told: Story) -> None:
    waiting = "awaiting_input" if told.version.has_awaiting_input else "deferred"
    states = told.facts["states"]["ours"]
    assert {state for (task_id, _), state in states.items() if task_id.startswith("parked")} == {waiting}
    assert {state for (task_id, _), state in states.items() if task_id.startswith("polled")} == {"running"}
    running = [
        key for of_dag in told.facts["states"].values() for key, state in of_dag.items() if state == "running"
    ]
    assert told.facts["pool"]["occupied_slots"] == len(running)


@pytest.mark.parametrize("task_id", ["parked", "polled"])
def test_changes_and_approval(told: Story, task_id: str) -> None:
    assert told.facts["ends"]["ours"][task_id, -1] == "success"
    assert told.facts["results"]["ours", task_id, -1] == {"round": 2, "after": "more"}
    assert told.facts["again"] == 409


def test_rejection_and_timeout(told: Story) -> None:
    ends = told.facts["ends"]
    assert ends["ours"]["parked_rejected", -1] == "failed"
    assert ends["late"]["undecided", -1] == "failed"
    assert told.facts["late"] == "timeout_exceeded"


def test_required_actions(told: Story) -> None:
    """Those that are parked are shown in Airflow, too, and can be answered there."""
    waiting = [key for key in told.facts["states"]["ours"] if key[0].startswith("parked") or key[0] == "greet"]
    assert sorted(task_id for task_id, _ in told.facts["required actions"]) == sorted(key[0] for key in waiting)
    assert told.facts["answer"] == ["Approve"]
    assert told.facts["ends"]["ours"]["parked_answered", -1] == "success"


def test_measures(told: Story) -> None:
    wanted = {"pending", "decisions.approve", "decisions.reject", "decisions.changes_requested", "decision_latency"}
    assert {f"hitl_review.{name}" for name in wanted} <= told.facts["measures"]


def test_events_in_the_spans_of_tasks(told: Story) -> None:
    """Of one review, with one round of changes; before Airflow 3.2 there are no spans."""
    found = [
        (event.name, event.attributes["hitl_review.iteration"], event.attributes["hitl_review.status"])
        for event in told.facts["span events"]
        if event.name.startswith("hitl_review.") and event.span["airflow.task_id"] == "parked"
    ]
    wanted = [
        ("hitl_review.output_ready", 1, "pending_review"),
        ("hitl_review.changes_requested", 1, "changes_requested"),
        ("hitl_review.output_ready", 2, "pending_review"),
        ("hitl_review.finalized", 2, "approved"),
    ]
    assert found == (wanted if told.version.has_spans else [])


def test_taskflow(told: Story) -> None:
    """A mapped function, called again with what was asked for and with the rounds before."""
    assert told.facts["results"]["ours", "greet", 0] == "Hello Adamore1"
    assert told.facts["results"]["ours", "greet", 1] == "Hello Bob0"


def with_provider(told: Story) -> bool:
    """Whether the AI provider is there: it cannot be on Python 3.10, which is no gap of the tests."""
    return told.version.provider


def test_the_log_says_who_answers(told: Story) -> None:
    (line,) = told.facts["log"]
    assert "hitl-notebook answers at /hitl-review." in line
    assert ("The AI provider is also installed" in line) == with_provider(told)


def test_ours_answers_and_theirs_is_served(told: Story) -> None:
    if not with_provider(told):
        assert told.facts["bundle"] == (404, None)
        return
    plugins = told.facts["plugins"]
    assert plugins["hitl_notebook"]["external_views"][0]["url_route"] == "hitl-review"
    assert plugins["hitl_review"]["react_apps"] == []  # the tab is ours
    assert told.facts["bundle"] == (200, "application/javascript")
    # Nothing else of the provider is touched.
    assert told.facts["model panel"] == (200, "application/javascript")
    assert "ai_model_panel" in plugins


def test_their_worker_and_our_plugin(told: Story) -> None:
    if not with_provider(told):
        assert "theirs" not in told.facts["ends"]
        return
    review = told.facts["theirs"]
    assert [(turn["kind"], turn["content"]) for turn in review["conversation"]] == [
        ("output", "success (no tool calls)"),
        ("feedback", "more"),
        ("output", "success (no tool calls)"),
    ]
    assert told.facts["ends"]["theirs"] == {("agent", -1): "success", ("agent_rejected", -1): "failed"}
    assert told.facts["results"]["theirs", "agent", -1] == "success (no tool calls)"


def test_our_worker_and_their_plugin(told: Story) -> None:
    """The provider's own API answers where ours has been moved; so it did, as it has fewer fields."""
    if not with_provider(told):
        assert "ours at theirs" not in told.facts
        return
    review = told.facts["ours at theirs"]
    assert "map_index" not in review
    assert [turn["iteration"] for turn in review["conversation"]] == [1, 1, 2]
    assert told.facts["results"]["ours", "polled_theirs", -1] == {"round": 2, "after": "more"}
    assert told.facts["ends"]["ours"]["polled_theirs_rejected", -1] == "failed"
    assert told.facts["moved"] == 200
    assert {"ours", "theirs"} <= told.facts["moved list"]
    assert told.facts["moved view"] == "/reviews/inbox"


def test_typed_outputs_of_agents(told: Story) -> None:
    """After two rounds of changes and three pauses, what comes out of XCom is what the agent returned.

    A model, a list of models, and one of two models with the same fields. Before Airflow 3.3 a model reaches XCom
    as a dict, as the provider has it.
    """
    if not with_provider(told):
        assert "agents" not in told.facts["ends"]
        return
    as_objects = told.version.has_awaiting_input
    for task_id in told.version.agents:
        compared: dict[str, Any] = told.facts["results"]["agents", f"{task_id}_compared", -1]
        assert compared == {"equal": as_objects, "equal_as_dicts": not as_objects}


def test_agents_in_taskflow(told: Story) -> None:
    if with_provider(told):
        assert told.facts["results"]["agents", "decorated", -1] == "success (no tool calls)"


def test_their_operator_replaced_by_configuration(told: Story) -> None:
    """It parks, without a change in the DAG, and also without a triggerer."""
    if told.version.replaces:
        assert told.facts["replaced, decided"] == 200
        assert told.facts["replaced, result"] == "success (no tool calls)"


def test_the_example_dags(told: Story) -> None:
    """A function, agents, LangChain and a typed output: a round of changes each, then what follows the review."""
    if not told.version.examples:
        assert not any(dag_id.startswith("example") for dag_id in told.runs)
        return
    results = told.facts["results"]
    assert results["example_hitl_review_function", "announce", -1] == "Version 2.0 is out. (friendlier)"
    assert told.facts["ends"]["example_hitl_review_function"]["publish", -1] == "success"
    assert results["example_hitl_review_langchain", "write", -1] == "The office is closed on Friday."
    assert results["example_hitl_review_pydantic_ai", "file", -1] == "filed: title='a' urgent=False"
    asked = "# Order 7\n\n- Order 7: 20.50, delivered nine days late.\n- friendlier"
    assert results["example_hitl_review_tool_calls", "support", -1] == asked
    typed = "example_hitl_review_typed"
    assert results[typed, "claim", -1]["note"] == "friendlier"
    assert results[typed, "pay", -1] == "Ada gets €311 on 31 March, €0 of it for travel."
    assert told.facts["ends"][typed]["close", -1] == "success"


def test_the_table_in_the_docs(stories: Stories) -> None:
    """``docs/compatibility.md`` says what ran here."""
    for version in VERSIONS:
        need_python(version)
    check(table([stories.of(version) for version in VERSIONS]))

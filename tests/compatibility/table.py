"""The table of ``docs/compatibility.md``: what ran on which Airflow, made of what was seen there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from tests.compatibility.environments import CONSTRAINTS, ROOT, Version
from tests.compatibility.story import Story
from tests.support import seen_in_docs

DOCUMENT = ROOT / "docs" / "compatibility.md"
BEGIN, END = "<!-- what ran: begin -->", "<!-- what ran: end -->"
HEAD = (
    "Airflow",
    "Python, SQLAlchemy",
    "waits by",
    "our worker, our API",
    "our worker, the provider's API",
    "the provider's worker, our API",
    "our `AgentOperator`",
)


def table(stories: Sequence[Story]) -> str:
    """Markdown; two rows for each Airflow, one for each way of waiting."""
    rows = [HEAD, tuple("---" for _ in HEAD)]
    for told in stories:
        state = "awaiting_input" if told.version.has_awaiting_input else "deferred"
        first = (told.version.airflow, f"{told.version.python}, {_sqlalchemy(told.version)}")
        rows.append((*first, f"park (`{state}`)", *_parked(told)))
        rows.append((*first, "poll (`running`)", *_polled(told)))
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def check(wanted: str) -> None:
    """Compare the document with ``wanted``, or write it; see ``tests.support.seen_in_docs``."""
    seen_in_docs.check(DOCUMENT, BEGIN, END, wanted, renew="tests/compatibility/test_versions.py")


def _parked(told: Story) -> tuple[str, str, str, str]:
    ends = told.facts["ends"]
    ours = _words(
        told,
        {
            "changes": told.facts["results"].get(("ours", "parked", -1)) == {"round": 2, "after": "more"},
            "approve": ends["ours"]["parked", -1] == "success",
            "reject": ends["ours"]["parked_rejected", -1] == "failed",
            "time-out": told.facts["late"] == "timeout_exceeded",
            "Required Actions": ends["ours"]["parked_answered", -1] == "success",
            "edits": _is_edited(told, "typed"),
            "`on_reject`": ends["edited"]["skipped", -1] == "skipped",
            "`on_hitl_timeout`": ends["edited"]["clock_approves", -1] == "success",
            "`review_when`": ends["edited"]["unseen", -1] == "success",
            "`@task.hitl_review`": told.facts["results"].get(("ours", "greet", 0)) == "Hello Adamore1",
        },
    )
    if not told.version.provider:
        return ours, "–", _NOT_THERE, _NOT_THERE
    kinds = {"model": "model", "listed": "list of models", "either": "union"}
    agents = {
        f"typed output ({kinds[name]})": ends["agents"].get((f"{name}_compared", -1)) == "success"
        for name in told.version.agents
    }
    agents["edited typed output"] = ends["agents"]["edited_compared", -1] == "success"
    agents["`@task.hitl_review_agent`"] = ends["agents"]["decorated", -1] == "success"
    replaced = {"approve, with `replace_agent_operator`": told.facts.get("replaced, decided") == 200}
    theirs = _words(told, replaced) if told.version.replaces else "does not park"
    return ours, "does not resume parked tasks", theirs, _words(told, agents)


def _polled(told: Story) -> tuple[str, str, str, str]:
    ends, results = told.facts["ends"], told.facts["results"]
    changed = {"round": 2, "after": "more"}
    ours = {
        "changes": results.get(("ours", "polled", -1)) == changed,
        "approve": ends["ours"]["polled", -1] == "success",
        "edits": _is_edited(told, "polled"),
    }
    if not told.version.provider:
        return _words(told, ours), _NOT_THERE, _NOT_THERE, _NOT_THERE
    at_theirs = {
        "changes": results.get(("ours", "polled_theirs", -1)) == changed,
        "approve": ends["ours"]["polled_theirs", -1] == "success",
        "reject": ends["ours"]["polled_theirs_rejected", -1] == "failed",
    }
    theirs = {
        "changes": told.facts["theirs"]["iteration"] == 2,
        "approve": ends["theirs"]["agent", -1] == "success",
        "reject": ends["theirs"]["agent_rejected", -1] == "failed",
    }
    return _words(told, ours), _words(told, at_theirs), _words(told, theirs), "as the provider's"


_NOT_THERE = "not run: the provider needs Python 3.11"


def _is_edited(told: Story, task_id: str) -> bool:
    is_success = told.facts["ends"]["edited"][task_id, -1] == "success"
    return is_success and bool(told.facts["edits"]["ended"][task_id].edited)


def _words(told: Story, seen: dict[str, bool]) -> str:
    failed = [word for word, holds in seen.items() if not holds]
    assert not failed, f"{told.version.name}: {failed}"
    return ", ".join(seen)


def _sqlalchemy(version: Version) -> str:
    pins = (Path(CONSTRAINTS) / f"airflow-{version.airflow}.txt").read_text(encoding="utf-8")
    (found,) = re.findall(r"^sqlalchemy==(\d+\.\d+)", pins, re.MULTILINE)
    return str(found)

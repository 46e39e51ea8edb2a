"""One run of a scenario: Airflow, in which things go wrong while twenty people review; then what must hold."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import requests

from chaos.end import End
from chaos.evidence import load, received
from chaos.faults import Faults
from chaos.installation import installation
from chaos.invariants import broken
from chaos.reviewers import Reviewers
from chaos.scenarios import Scenario
from chaos.tool_calls import broken_calls, made_calls
from chaos.traffic import Traffic, calmly
from demo.airflow_instance import AirflowInstance
from demo.processes import StartError, wait_until


def run(scenario: Scenario, folder: Path, seed: int) -> dict[str, Any]:
    """Make the faults, wait until all has come to an end, and look whether everything holds.

    Returns:
        Counts, and under ``broken`` what does not hold.
    """
    start = time.monotonic()
    with installation(scenario, folder, named=seed % 2 == 0) as running:
        airflow = running.airflow
        faults = Faults(running.points, running.keeper, running.others)
        traffic = Traffic(airflow, scenario)
        with Reviewers(airflow, seed).at_work() as reviewers:
            with traffic.flowing():
                for turn in count():
                    until = time.monotonic() + scenario.seconds
                    faults.make(scenario.inside, scenario.outside, seed=seed + turn, until=until)
                    if traffic.triggered >= scenario.at_least:
                        break
            end = End(airflow, running.keeper, traffic.triggered)
            found = _in_time(end.is_reached, timeout=scenario.settle_seconds, what="the end of all reviews")
        if not found:
            found = _in_time(calmly(lambda: _undelivered(airflow) == 0), timeout=90, what="the last deliveries")
        ended, logged = load(airflow.database)
        events = received(running.events)
        made = made_calls(running.points.calls)
        found += broken(ended, logged, reviewers.told, events)
        found += broken_calls(ended, logged, reviewers.told, made)
        if len(ended) != traffic.triggered:
            found.append(f"{len(ended)} reviews of {traffic.triggered}")
        found += [f"an answer that no client expects: {one}" for one in reviewers.unexpected]
        return {
            "scenario": scenario.name,
            "seed": seed,
            "named_reviewers": seed % 2 == 0,
            "seconds": round(time.monotonic() - start),
            "reviews": len(ended),
            "tries": sum(one.try_number for one in ended),
            "faults": sum(faults.done.values()),
            "restarts": running.keeper.restarts,
            "forgotten_in_queue": end.forgotten,
            "missed_points": faults.missed,
            "decisions": dict(Counter(one.outcome for one in reviewers.told)),
            "early": sum(one.is_early and one.outcome == "accepted" for one in reviewers.told),
            "answers": sum(one.request is not None and one.outcome == "accepted" for one in reviewers.told),
            "calls": len(made),
            "edits": sum(
                one.edited_output is not None and one.request is None and one.outcome == "accepted"
                for one in reviewers.told
            ),
            "ended_by": dict(Counter(str(one.last_channel) for one in ended)),
            "events": len(events),
            "states": dict(Counter(str(one.state) for one in ended)),
            "broken": found,
        }


def _in_time(ready: Callable[[], bool], *, timeout: float, what: str) -> list[str]:
    """Wait for something; what did not come in time does not hold."""
    try:
        wait_until(ready, timeout=timeout, what=what, interval=1.0)
    except StartError as error:
        return [str(error)]
    return []


def _undelivered(airflow: AirflowInstance) -> int:
    headers = {"Authorization": f"Bearer {airflow.token()}"}
    url = f"{airflow.url}/hitl-review/deliveries"
    answer = requests.get(url, params={"status": "pending", "limit": "1"}, headers=headers, timeout=30)
    return int(answer.json()["total_entries"])

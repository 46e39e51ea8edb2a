"""Runs that are started one after the other, so that there are always some reviews under way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import requests
from sqlalchemy.exc import DBAPIError

from chaos.evidence import count_ended
from chaos.scenarios import Scenario
from demo.airflow_instance import AirflowInstance
from demo.processes import wait_until


@dataclass
class Traffic:
    """Starts runs, so that there are always some reviews under way while faults are made.

    Attributes:
        triggered: reviews so far.
    """

    airflow: AirflowInstance
    scenario: Scenario
    triggered: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def flowing(self) -> Iterator[None]:
        """While the block runs, or until there are as many as the scenario has at most."""
        thread = threading.Thread(target=self._flow, name="traffic", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join(150)

    def _flow(self) -> None:
        while not self._stop.is_set() and self.triggered < self.scenario.reviews:
            if open_tasks(self.airflow, self.triggered) < self.scenario.per_run:
                self._trigger()
            self._stop.wait(1.0)

    def _trigger(self) -> None:
        run_id = f"chaos_{time.time_ns()}"
        body = {"logical_date": None, "dag_run_id": run_id}

        def triggered() -> bool:
            headers = {"Authorization": f"Bearer {self.airflow.token()}"}
            for dag_id in self.scenario.dag_ids:
                url = f"{self.airflow.url}/api/v2/dags/{dag_id}/dagRuns"
                answer = requests.post(url, json=body, headers=headers, timeout=30)
                if answer.status_code not in (200, 409):  # 409: it was, and the server was killed in its answer
                    return False
            return True

        wait_until(calmly(triggered), timeout=120, what="a run", interval=1.0)
        self.triggered += self.scenario.per_run


def calmly(ask: Callable[[], bool]) -> Callable[[], bool]:
    """False while the server cannot be asked."""

    def asked() -> bool:
        try:
            return ask()
        except (requests.RequestException, RuntimeError, ValueError):
            return False

    return asked


def open_tasks(airflow: AirflowInstance, triggered: int) -> int:
    """How many reviews have not ended; all, while the database cannot be asked."""
    try:
        return triggered - count_ended(airflow.database)
    except DBAPIError:
        return triggered

"""Metrics of reviews in Airflow's stats, up to a StatsD server and an OpenTelemetry collector."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_hitl_review.core import telemetry
from airflow_hitl_review.core.states import Action
from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.server.db.review_queries import ActiveCount
from airflow_hitl_review.server.reviews.inbox_counts import Totals, send_pending
from demo.airflow_instance import AirflowInstance
from demo.processes import wait_until
from hitl_webhooks import DeliveryStatus
from tests.conftest import DAGS
from tests.live.test_reviews import call, query, wait_for
from tests.support.api_server import DAG_ID, TASK_ID, ReviewServer, review_server
from tests.support.migrated import Migrated
from tests.support.otlp_server import OtlpServer
from tests.support.statsd_server import StatsdServer

KEY = TaskKey("d", "r", "t", -1)
TAGS = {"dag_id": "d", "task_id": "t"}


class Told:
    """A stand-in for Airflow's stats that records its calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def incr(self, stat: str, *, tags: dict[str, Any] | None = None) -> None:
        self.calls.append((stat, tags))

    def gauge(self, stat: str, value: float) -> None:
        self.calls.append((stat, value))

    def timing(self, stat: str, dt: timedelta, *, tags: dict[str, Any] | None = None) -> None:
        self.calls.append((stat, dt, tags))


class Broken(Told):
    """Stats whose calls all fail."""

    def incr(self, stat: str, *, tags: dict[str, Any] | None = None) -> None:
        raise OSError("no way to the server")

    def gauge(self, stat: str, value: float) -> None:
        raise OSError("no way to the server")


def test_metrics_of_delivery_attempts() -> None:
    stats = Told()
    for status in DeliveryStatus:
        telemetry.count_attempt(stats, KEY, status, timedelta(seconds=3))
    assert sorted(stats.calls, key=str) == [
        ("hitl_review.deliveries.delivered", TAGS),
        ("hitl_review.deliveries.failed", TAGS),
        ("hitl_review.deliveries.failed", TAGS),
        ("hitl_review.deliveries.retried", TAGS),
        ("hitl_review.delivery_latency", timedelta(seconds=3), TAGS),
    ]


def test_latency_is_not_negative_after_clock_reset() -> None:
    stats = Told()
    telemetry.count_decision(stats, KEY, Action.APPROVE, timedelta(seconds=-3))
    assert stats.calls[1] == ("hitl_review.decision_latency", timedelta(0), TAGS)


def test_failure_to_send_metrics_is_only_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        telemetry.count_decision(Broken(), KEY, Action.REJECT, None)
    assert "could not be sent" in caplog.text


def test_pending_gauge_survives_failures_and_skips_unknown_counts() -> None:
    pending = {"a": ActiveCount(5, 3), "b": ActiveCount(1, 1)}
    answers: Iterator[Totals | Exception] = iter(
        [Totals(0.0, {}, pending), OSError("the database is away"), Totals(0.0, {}, None), Totals(0.0, {}, {})]
    )
    stats = Told()

    async def until_it_has_no_answers() -> None:
        done = asyncio.Event()
        loop = asyncio.get_running_loop()

        def totals() -> Totals:
            answer = next(answers, None)
            if answer is None:
                loop.call_soon_threadsafe(done.set)
                answer = Totals(0.0, {}, None)
            if isinstance(answer, Exception):
                raise answer
            return answer

        task = asyncio.create_task(send_pending(stats, totals, interval=0.01))
        await asyncio.wait_for(done.wait(), 30)
        task.cancel()

    asyncio.run(until_it_has_no_answers())
    assert stats.calls == [("hitl_review.pending", 4), ("hitl_review.pending", 0)]


@pytest.fixture(scope="module")
def collector() -> Iterator[OtlpServer]:
    server = OtlpServer()
    yield server
    server.close()


@pytest.fixture(scope="module")
def measured(folder: Path, migrated: Migrated, collector: OtlpServer) -> Iterator[ReviewServer]:
    home = folder / "measured"
    migrated.sqlite(home, filled=True)
    with review_server(home, DAGS, "", migrate=False, api_workers=1, settings=collector.metrics_settings) as server:
        yield server


def test_decision_metrics_reach_opentelemetry_collector(measured: ReviewServer, collector: OtlpServer) -> None:
    run_id = measured.seed(2)
    for what in ("approve", "approve"):  # the second one is refused and not counted
        measured.call("POST", f"/sessions/{what}", params=measured.params(run_id, 0))
    wait_until(
        lambda: "hitl_review.decisions.approve" in collector.points(), timeout=30, what="the decision's measure"
    )
    points = collector.points()
    assert points["hitl_review.decisions.approve"].value == 1
    assert points["hitl_review.decision_latency"].value == 1
    assert points["hitl_review.decisions.approve"].tags == {"dag_id": DAG_ID, "task_id": TASK_ID}
    assert points["hitl_review.pending"].value == 0  # as of server start


@pytest.mark.live
@pytest.mark.postgres
@pytest.mark.timeout(600)
def test_review_metrics_reach_statsd(live: AirflowInstance, statsd: StatsdServer) -> None:
    """Sent by the worker and the API server of a complete Airflow; other tests there are counted, too."""
    before = {name: len(statsd.measures(name)) for name in (metric.name for metric in telemetry.METRICS)}
    run_id = live.trigger("webhook_review", {"hook": "test_webhook"})
    wait_for(live, run_id, {"awaiting_input": 1}, dag_id="webhook_review")
    token, params = live.token(), query(run_id, -1, dag_id="webhook_review")
    assert call(live, "POST", "approve", token, params).status_code == 200
    wait_for(live, run_id, {"success": 1}, dag_id="webhook_review")

    def more(name: str) -> bool:
        return len(statsd.measures(name)) > before[name]

    for name in ("decisions.approve", "decision_latency", "deliveries.delivered", "delivery_latency"):
        wait_until(lambda name=name: more(f"hitl_review.{name}"), timeout=20, what=name)  # type: ignore[misc]
    assert all(measure.value >= 0 for measure in statsd.measures("hitl_review.pending"))
    kinds = {"counter": "c", "gauge": "g", "timer": "ms"}
    for metric in telemetry.METRICS:
        assert {one.kind for one in statsd.measures(metric.name)} <= {kinds[metric.kind]}

"""Airflow as on several machines, all on this one: Celery, Redis, PostgreSQL, two API servers behind a proxy.

``python -m deployment.cluster`` starts it and waits for Ctrl-C; with ``--check`` it reviews some tasks, ends an API
server and a worker on the way, and ends with one line of counts. Needs PostgreSQL, Redis and HAProxy (Debian:
``apt-get install postgresql redis-server haproxy``).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from demo.airflow_instance import AirflowInstance
from demo.processes import Process, StartError, free_port, wait_until
from demo.smoke import Checks
from demo.stack import Receiver, receiver
from hitl_notebook import Client
from tests.support import postgres, redis_server

HERE = Path(__file__).resolve().parent
DAG_ID = "cluster_reviews"
REVIEWS = 12


@dataclass
class Cluster:
    """The running parts.

    Attributes:
        airflow: all of Airflow's parts, several of some; its address is the proxy's.
    """

    airflow: AirflowInstance
    receiver: Receiver

    def start(self, name: str, *command: str) -> None:
        """Start a part of Airflow."""
        self.airflow.processes[name] = self.airflow.launch(*command, name=name)

    def worker(self, name: str) -> None:
        """Start a Celery worker."""
        command = ["celery", "worker", "--skip-serve-logs", "--concurrency", "4", "--celery-hostname", f"{name}@%h"]
        self.start(name, *command)

    def api_server(self, name: str, port: int) -> None:
        """Start an API server."""
        self.start(name, "api-server", "--port", str(port))

    def stop(self, name: str) -> None:
        """End a part, as a deployment of a new version does."""
        self.airflow.processes.pop(name).stop()


def missing_programs() -> list[str]:
    """What is to be installed first."""
    found = {
        "postgresql": postgres.find_binaries() is not None,
        "redis-server": redis_server.is_installed(),
        "haproxy": find_haproxy() is not None,
    }
    return [name for name, there in found.items() if not there]


def find_haproxy() -> str | None:
    """Debian has it where only root looks for programs."""
    return shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin")


def settings(redis: redis_server.RedisServer, database: str, hook: Receiver) -> dict[str, str]:
    """What every part of Airflow must be told, on every machine the same."""
    return {
        **redis.executor(database),
        # The proxy's address: workers send their results there, and webhooks link there.
        # (AirflowInstance sets [api] base_url and [core] execution_api_server_url to it.)
        "AIRFLOW_CONN_CLUSTER_WEBHOOK": hook.connection(),
        "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
    }


@contextmanager
def cluster(home: Path) -> Iterator[Cluster]:
    """Start it in an empty folder; everything is ended afterwards.

    Raises:
        StartError: a program is missing, or a part did not come up.
    """
    if missing := missing_programs():
        raise StartError(f"This needs {', '.join(missing)}. On Debian: apt-get install {' '.join(missing)}")
    binaries, haproxy = postgres.find_binaries(), find_haproxy()
    assert binaries is not None
    assert haproxy is not None
    with ExitStack() as stack:
        server = stack.enter_context(postgres.server(binaries, home / "postgres"))
        hook = stack.enter_context(receiver(home))
        redis = redis_server.RedisServer(home / "redis")
        stack.callback(redis.launch().stop)
        database = server.create("airflow")
        airflow = AirflowInstance(
            home / "airflow", HERE / "dags", database=database, settings=settings(redis, database, hook)
        )
        airflow.migrate()
        ports = {"PROXY_PORT": airflow.port, "FIRST_PORT": free_port(), "SECOND_PORT": free_port()}
        proxy_env = {**os.environ, **{name: str(port) for name, port in ports.items()}}
        proxy = Process(
            [haproxy, "-db", "-f", str(HERE / "haproxy.cfg")], env=proxy_env, log=home / "haproxy.log", cwd=home
        )
        stack.callback(proxy.stop)
        running = Cluster(airflow, hook)
        stack.callback(airflow.stop)
        running.api_server("api-server-1", ports["FIRST_PORT"])
        running.api_server("api-server-2", ports["SECOND_PORT"])
        for name in ("scheduler", "dag-processor"):
            running.start(name, name)
        running.worker("worker-1")
        running.worker("worker-2")
        wait_until(airflow.answers, timeout=180, what="the API servers")
        airflow.wait_for_dag(DAG_ID)
        yield running


def review_all(running: Cluster, checks: Checks) -> None:
    """Reviews on two workers and two API servers; one of each goes away meanwhile."""
    airflow = running.airflow
    run_id = airflow.trigger(DAG_ID, {"count": REVIEWS})

    def states() -> Counter[str | None]:
        found = airflow.task_states(DAG_ID, run_id)
        return Counter(state for (task, _), state in found.items() if task == "review")

    checks.eventually(f"{REVIEWS} reviews wait", lambda: states() == {"awaiting_input": REVIEWS}, states)
    pool = airflow.api("GET", "/pools/default_pool")
    checks.expect("they hold no slot", pool["running_slots"] == 0, pool)
    client = Client(airflow.url, username="admin", password="admin")
    reviews = list(client.iter_sessions())
    checks.expect("the list has them all", len(reviews) == REVIEWS, len(reviews))
    for review in reviews[:4]:
        client.request_changes(review, "shorter")
    running.stop("api-server-1")
    running.stop("worker-1")
    for review in reviews[4:8]:
        client.approve(review)
    for review in reviews[8:]:
        client.reject(review, feedback="not this one")

    def second_outputs() -> int:
        return sum(review.iteration == 2 for review in client.iter_sessions(status="pending_review"))

    checks.eventually("changes lead to the next outputs", lambda: second_outputs() == 4, second_outputs)
    for review in client.iter_sessions(status="pending_review"):
        client.approve(review)
    checks.eventually("all tasks end as decided", lambda: states() == {"success": 8, "failed": 4}, states)

    def events() -> Counter[str]:
        return Counter(event["type"].removeprefix("hitl_review.") for event in running.receiver.events())

    wanted = {"output_ready": REVIEWS + 4, "changes_requested": 4, "finalized": REVIEWS}
    checks.eventually("each event was received once", lambda: events() == wanted, events)


def main() -> int:
    """Start it; 0 if all held."""
    parser = argparse.ArgumentParser(prog="python -m deployment.cluster")
    parser.add_argument("--check", action="store_true", help="review some tasks, and end")
    wanted = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # ends what it has started
    home = postgres.reachable_folder("hitl-cluster-")
    checks = Checks()
    try:
        with cluster(home) as running:
            if wanted.check:
                review_all(running, checks)
            else:
                print(json.dumps({"address": running.airflow.url, "user": "admin", "password": "admin"}))
                print("Ctrl-C ends it.", flush=True)
                while True:
                    time.sleep(3600)
    except KeyboardInterrupt:
        return 0
    except StartError as error:
        checks.expect("everything starts", False, error)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    print(f"cluster: {checks.passed} passed, {checks.failed} failed")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())

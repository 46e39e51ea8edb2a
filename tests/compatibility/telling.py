"""What happens on one Airflow: many reviews side by side, each decided in rounds.

All of them wait at the same time, so that a whole version costs little more than the slowest of its reviews.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from demo.airflow_instance import AirflowInstance
from demo.processes import PATIENCE, wait_until
from hitl_notebook import Client
from hitl_webhooks import generate_secret
from tests.compatibility.airflow_upgrade import AirflowUpgrade
from tests.compatibility.asking import Asking
from tests.compatibility.edits import Edits
from tests.compatibility.environments import Version, environment
from tests.compatibility.story import DAGS, EXAMPLES, LONG, Story, parks
from tests.support.hook_server import HookServer
from tests.support.lean import AGENTS, lean
from tests.support.otlp_server import OtlpServer
from tests.support.statsd_server import StatsdServer

MOVED = "/reviews"
"""Where the second API server has this project's app, so that the AI provider's answers at its own path."""

ALLOWED = "airflow.* unusual_prefix_*"
DOG = '{"name": "Rex", "lives": 1}'
"""An agent's output as it is edited."""

RETRY_SCHEDULE = ", ".join(["5"] * 200)
"""Short waits, so that the tests need not wait long."""

USERS = {"admin": "admin", "viv": "viewer"}


@contextmanager
def story(version: Version, home: Path, database: str) -> Iterator[Story]:
    """Start an Airflow of that version, and go through all of its reviews."""
    programs = environment(version)
    statsd, collector, receiver = StatsdServer(), OtlpServer(), HookServer()
    hooks = {name: receiver.add(f"/{name}", [generate_secret()]) for name in ("edits", "steady", "waiting")}
    connections = {f"AIRFLOW_CONN_{name.upper()}_HOOK": hook.connection() for name, hook in hooks.items()}
    airflow = AirflowInstance(
        home / "airflow",
        DAGS,
        database=database,
        users=USERS,
        programs=programs,
        settings={
            **lean(home / "airflow", *(AGENTS if version.provider else ())),
            **statsd.settings,
            **(collector.traces_settings if version.has_spans else {}),
            # Each API server delivers webhooks, so each needs their connections.
            **connections,
            "AIRFLOW__HITL_REVIEW__WEBHOOK_RETRY_SCHEDULE": RETRY_SCHEDULE,
            # Six tasks poll and hold a slot; so two processes start at once, not twenty.
            "AIRFLOW__CORE__PARALLELISM": "8",
            "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
            "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "120",
            "TEST_AGENTS": ",".join(version.agents),
            "TEST_EXAMPLES": "yes" if version.examples else "",
            # Before 3.3 a task gets an object from XCom only if its class is listed; from then on, if the operator
            # that made it declares it.
            **({} if version.has_awaiting_input else {"AIRFLOW__CORE__ALLOWED_DESERIALIZATION_CLASSES": ALLOWED}),
        },
    )
    shared = ("AIRFLOW__API_AUTH__JWT_SECRET", "AIRFLOW__API__SECRET_KEY", *connections)
    shared += ("AIRFLOW__HITL_REVIEW__WEBHOOK_RETRY_SCHEDULE",)
    moved = AirflowInstance(
        home / "moved",
        DAGS,
        database=airflow.database,
        users=USERS,
        programs=programs,
        settings={name: airflow.env[name] for name in shared} | {"AIRFLOW__HITL_REVIEW__URL_PREFIX": MOVED},
    )
    airflow.migrate()
    told = Story(version, airflow, moved)
    try:
        second = threading.Thread(target=lambda: moved.start("api-server"))
        if version.provider:
            second.start()
        # Nothing is deferred where there is awaiting_input.
        triggerer = () if version.has_awaiting_input else ("triggerer",)
        airflow.start("scheduler", "dag-processor", *triggerer, "api-server")
        if version.provider:
            second.join()
        _start(told)
        _first_outputs(told)
        edits, asking, upgrade = Edits(told, hooks["edits"]), Asking(told), AirflowUpgrade(told, hooks["waiting"])
        edits.begin()
        asking.begin()
        _changes(told)
        asking.approve()
        edits.go_on()
        asking.answer()
        asking.approve_output()
        asking.approve_again()
        _ends(told)
        asking.end()
        edits.end()
        if version.is_upgraded:
            upgrade.park_with_version_before()
        if version.replaces:
            _replace(told)
        if version.is_upgraded:
            upgrade.begin()
        if version.replaces:
            _replaced(told)
        told.facts["measures"] = statsd.names()
        told.facts["span events"] = collector.events()
        if version.is_upgraded:
            upgrade.stop()
            upgrade.migrate()
            upgrade.decide()
        yield told
    finally:
        moved.stop()
        airflow.stop()
        statsd.close()
        collector.close()
        receiver.close()


def _start(told: Story) -> None:
    """One DAG after the other, so that no machine has to make twenty outputs at once."""
    dag_ids = ["ours", *(["agents", "theirs"] if told.version.provider else [])]
    dag_ids += EXAMPLES if told.version.examples else []
    for dag_id in (*dag_ids, "late"):
        told.airflow.wait_for_dag(dag_id)
    for dag_id in dag_ids:
        told.runs[dag_id] = told.airflow.trigger(dag_id)
        told.wait_for_outputs([review for review in told.reviews() if review[0] == dag_id], 1)


def _first_outputs(told: Story) -> None:
    facts, reviews = told.facts, told.reviews()
    facts["version"] = told.airflow.api("GET", "/version")["version"]
    facts["wanted"] = reviews
    log = (told.airflow.home / "api-server.log").read_text(errors="replace")
    facts["log"] = [line for line in log.splitlines() if "hitl-notebook answers at" in line]
    for name, path in (
        ("bundle", "/hitl-review/static/main.umd.cjs"),
        ("model panel", "/ai-model/static/model.umd.cjs"),
    ):
        answer = requests.get(told.airflow.url + path, timeout=60)
        facts[name] = (answer.status_code, answer.headers["content-type"].split(";")[0] if answer.ok else None)
    told.wait_for_parks([review for review in reviews if parks(review)])
    facts["states"] = {dag_id: dict(told.states(dag_id)) for dag_id in told.runs}
    facts["pool"] = told.airflow.api("GET", "/pools/default_pool")
    facts["list"] = told.call("GET", "/sessions", params={"status": "pending_review", "limit": 100}).json()
    one = {"q": "Ada", "dag_id": "ours"}
    facts["by prompt"] = told.call("GET", "/sessions", params={"q": "figures OF ours"}).json()
    etag = told.call("GET", "/sessions", params=one)
    facts["unchanged"] = requests.get(
        etag.url,
        headers={"If-None-Match": etag.headers["ETag"], "Authorization": f"Bearer {told.airflow.token()}"},
        timeout=60,
    ).status_code
    query = told.query("ours", "parked")
    facts["auth"] = {
        "health, nobody": told.call("GET", "/health", user=None).status_code,
        "list, nobody": told.call("GET", "/sessions", user=None).status_code,
        "find, viewer": told.call("GET", "/sessions/find", user="viv", params=query).status_code,
        "approve, viewer": told.call("POST", "/sessions/approve", user="viv", params=query).status_code,
        "approve, nobody": told.call("POST", "/sessions/approve", user=None, params=query).status_code,
    }
    facts["page"] = told.call("GET", "/chat", params=query).status_code
    facts["plugins"] = {p["name"]: p for p in told.airflow.api("GET", "/plugins?limit=100")["plugins"]}
    facts["required actions"] = [
        (d["task_instance"]["task_id"], d["subject"])
        for d in told.airflow.api("GET", f"/dags/ours/dagRuns/{told.runs['ours']}/hitlDetails")["hitl_details"]
    ]


def _changes(told: Story) -> None:
    wanted = [("ours", "parked", -1), ("ours", "polled", -1), ("ours", "greet", 0)]
    for review in wanted:
        told.ask(*review[:2], "more", map_index=review[2])
    if not told.version.provider:
        told.wait_for_outputs(wanted, 2)
        return
    told.ask("ours", "polled_theirs", "more", at=told.moved)
    told.ask("theirs", "agent", "more")
    told.ask("agents", "decorated", "more")
    for task_id in told.version.agents:
        told.ask("agents", task_id, "second")
    examples = [(dag_id, task_id, -1) for dag_id, task_id in EXAMPLES.items() if told.version.examples]
    for dag_id, task_id, _ in examples:
        told.ask(dag_id, task_id, "friendlier")
    agents = [("agents", task_id, -1) for task_id in told.version.agents]
    told.wait_for_outputs([*wanted, *agents, *examples, ("ours", "polled_theirs", -1), ("theirs", "agent", -1)], 2)
    for task_id in told.version.agents:
        told.ask("agents", task_id, "third")
    told.wait_for_outputs(agents, 3)
    told.facts["theirs"] = told.find("theirs", "agent")
    client = Client(told.moved.url, username="admin", password="admin", url_prefix=MOVED)
    told.facts["moved list"] = {row.key.dag_id for row in client.sessions()}
    told.facts["moved"] = told.call("GET", "/health", user=None, at=told.moved, prefix=MOVED).status_code
    plugins = {p["name"]: p for p in told.moved.api("GET", "/plugins?limit=100")["plugins"]}
    told.facts["moved view"] = plugins["hitl_notebook"]["external_views"][-1]["href"]
    told.facts["ours at theirs"] = told.call(
        "GET", "/sessions/find", at=told.moved, params=told.query("ours", "polled_theirs")
    ).json()


def _ends(told: Story) -> None:
    answers = []
    for review in told.reviews():
        dag_id, task_id, map_index = review
        if task_id == "parked_answered":
            continue
        what = "reject" if task_id.endswith("_rejected") else "approve"
        edit = {"json": {"edited_output": DOG}} if review == ("agents", "edited", -1) else {}
        theirs = {"at": told.moved} if "theirs" in task_id and told.version.provider else {}
        answers.append(told.decide(what, dag_id, task_id, map_index=map_index, **theirs, **edit).status_code)
    told.facts["decisions"] = answers
    told.facts["again"] = told.decide("reject", "ours", "parked").status_code
    path = f"/dags/ours/dagRuns/{told.runs['ours']}/taskInstances/parked_answered/-1/hitlDetails"
    told.facts["answer"] = told.airflow.api(
        "PATCH", path, json={"chosen_options": ["Approve"], "params_input": {"output": 1}}
    )["chosen_options"]
    told.runs["late"] = told.airflow.trigger("late")
    ended = {"success", "failed", "upstream_failed", "skipped"}
    end = time.monotonic() + LONG * PATIENCE
    while time.monotonic() < end:
        states = {dag_id: dict(told.states(dag_id)) for dag_id in told.runs}
        if all(state in ended for of_dag in states.values() for state in of_dag.values()):
            break
        time.sleep(1)
    told.facts["ends"] = states
    told.facts["late"] = told.find("late", "undecided")["status"]
    succeeded = [(d, *key) for d, of_dag in states.items() for key, state in of_dag.items() if state == "success"]
    # A task that returns nothing has no such XCom.
    told.facts["results"] = {key: told.result(*key) for key in succeeded if key[1] not in {"publish", "close"}}


def _replace(told: Story) -> None:
    """By configuration, our operator in the place of the provider's."""
    airflow = told.airflow
    # The triggerer stays away: who has no time-out does not need it.
    for name in {"scheduler", "dag-processor", "triggerer"} & airflow.processes.keys():
        airflow.processes.pop(name).stop()
    airflow.env["AIRFLOW__HITL_REVIEW__REPLACE_AGENT_OPERATOR"] = "True"
    airflow.start("scheduler", "dag-processor")


def _replaced(told: Story) -> None:
    """The provider's operator as it is in the DAG parks."""
    told.runs["theirs"] = told.airflow.trigger("theirs")
    waiting = "awaiting_input" if told.version.has_awaiting_input else "deferred"
    agent = ("agent", -1)
    wait_until(lambda: told.states("theirs")[agent] == waiting, timeout=LONG, what="the park", interval=0.5)
    told.facts["replaced, decided"] = told.decide("approve", "theirs", "agent").status_code
    wait_until(lambda: told.states("theirs")[agent] == "success", timeout=LONG, what="the end", interval=0.5)
    told.facts["replaced, result"] = told.result("theirs", "agent")

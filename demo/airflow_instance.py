"""An Airflow of its own: own folder, own database, free ports; started, killed and stopped by code.

The demo, the smoke run and the tests use it, so all three run the same thing.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from demo.processes import PATIENCE, Process, StartError, free_port, wait_until

BIN = Path(sys.executable).parent
START_TIMEOUT = 180.0


@dataclass
class AirflowInstance:
    """One Airflow.

    Attributes:
        home: AIRFLOW_HOME; made if needed.
        dags: the DAG folder.
        database: SQLAlchemy URL; an SQLite file in ``home`` if empty.
        users: name to role (and team) of SimpleAuthManager; each user's password is the name.
        settings: further environment variables.
        api_workers: processes of the API server.
        path: below which it is served, such as ``/airflow``; empty at the root.
        programs: folder of the environment that it runs in; this one's if not given.
    """

    home: Path
    dags: Path
    database: str = ""
    users: Mapping[str, str] = field(default_factory=lambda: {"admin": "admin"})
    settings: Mapping[str, str] = field(default_factory=dict)
    api_workers: int = 1
    path: str = ""
    programs: Path = BIN
    port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self.processes: dict[str, Process] = {}
        self.database = self.database or f"sqlite:///{self.home / 'airflow.db'}"
        passwords = self.home / "passwords.json"
        passwords.write_text(json.dumps({name: name for name in self.users}))
        self.env = {
            **{k: v for k, v in os.environ.items() if not k.startswith("AIRFLOW")},
            "PATH": f"{self.programs}{os.pathsep}{os.environ.get('PATH', '')}",
            "PYTHONUNBUFFERED": "1",
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PARALLELISM": "8",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{n}:{r}" for n, r in self.users.items()),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": self.database,
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__WORKERS": str(self.api_workers),
            "AIRFLOW__API__SECRET_KEY": secrets.token_hex(16),
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
            # On a busy machine the API server may answer a task late; by default the task then fails after 5 s.
            "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "5",
            "AIRFLOW__DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "2",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            **self.settings,
        }

    @property
    def url(self) -> str:
        """Address of the API server."""
        return f"http://127.0.0.1:{self.port}{self.path}"

    def run(self, *command: str, timeout: float = START_TIMEOUT * PATIENCE) -> str:
        """Run a command in this Airflow's environment and return what it printed on stdout.

        Raises:
            StartError: it failed; the message has its output.
        """
        done = subprocess.run(
            [str(self.programs / command[0]), *command[1:]],
            env=self.env,
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if done.returncode:
            raise StartError(f"{' '.join(command)} failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        return done.stdout

    def use(self, programs: Path) -> None:
        """Run what is started from now on in another environment, such as that of a newer Airflow."""
        self.programs = programs
        self.env["PATH"] = f"{programs}{os.pathsep}{os.environ.get('PATH', '')}"

    def migrate(self) -> None:
        """Create the tables, or bring them to what the environment's Airflow needs."""
        self.run("airflow", "db", "migrate")

    def start(self, *components: str) -> None:
        """Start parts by their ``airflow`` command (``"standalone"`` for all) and wait for the API server.

        Raises:
            StartError: the API server did not come up.
        """
        for name in components:
            self.processes[name] = self.launch(name)
        serving = [name for name in components if name in ("api-server", "standalone")]
        for name in serving:
            process = self.processes[name]
            try:
                wait_until(self.answers, timeout=START_TIMEOUT, what=f"airflow {name}", alive=process.alive)
            except StartError as error:
                raise StartError(f"{error}:\n{process.tail()}") from None

    def launch(self, *command: str, name: str = "") -> Process:
        """Start a part, such as ``launch("celery", "worker")``; waiting and stopping is the caller's.

        Args:
            *command: of the program ``airflow``.
            name: of its log; the command's first words if empty.
        """
        return Process(
            [str(self.programs / "airflow"), *command],
            env=self.env,
            log=self.home / f"{name or '-'.join(command[:2])}.log",
            cwd=self.home,
        )

    def answers(self) -> bool:
        """Whether the API server answers."""
        try:
            return requests.get(f"{self.url}/api/v2/version", timeout=5).ok
        except requests.RequestException:
            return False

    def kill(self, name: str) -> None:
        """``kill -9`` one part."""
        self.processes.pop(name).kill()

    def stop(self) -> None:
        """End all parts."""
        while self.processes:
            self.processes.popitem()[1].stop()

    def token(self, user: str = "admin") -> str:
        """A fresh token of a user."""
        answer = requests.post(f"{self.url}/auth/token", json={"username": user, "password": user}, timeout=60)
        answer.raise_for_status()
        token: str = answer.json()["access_token"]
        return token

    def api(self, method: str, path: str, *, user: str = "admin", **kwargs: Any) -> Any:
        """Call Airflow's public API, for instance ``api("GET", "/dags")``; returns the parsed answer."""
        answer = requests.request(
            method,
            f"{self.url}/api/v2{path}",
            headers={"Authorization": f"Bearer {self.token(user)}"},
            timeout=60,
            **kwargs,
        )
        if not answer.ok:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        return answer.json() if answer.content else None

    def wait_for_dag(self, dag_id: str) -> None:
        """Wait until the DAG has been read, and unpause it."""

        def known() -> bool:
            return any(dag["dag_id"] == dag_id for dag in self.api("GET", "/dags?limit=200")["dags"])

        wait_until(known, timeout=120, what=f"DAG {dag_id}", interval=1.0)
        self.api("PATCH", f"/dags/{dag_id}", json={"is_paused": False})

    def trigger(self, dag_id: str, conf: Mapping[str, Any] | None = None) -> str:
        """Start a run and return its id."""
        body = {"logical_date": None, "conf": dict(conf or {})}
        run_id: str = self.api("POST", f"/dags/{dag_id}/dagRuns", json=body)["dag_run_id"]
        return run_id

    def task_states(self, dag_id: str, run_id: str) -> dict[tuple[str, int], str | None]:
        """State of each task instance of a run, by task id and map index."""
        found = self.api("GET", f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances?limit=1000")
        return {(ti["task_id"], ti["map_index"]): ti["state"] for ti in found["task_instances"]}

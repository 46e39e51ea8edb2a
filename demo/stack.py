"""All parts of the demo: Airflow, the webhook receiver and, if wanted, JupyterLab."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import requests

from demo.airflow_instance import BIN, AirflowInstance
from demo.processes import Process, StartError, free_port, wait_until
from hitl_webhooks import generate_secret

ROOT = Path(__file__).resolve().parent.parent
DAGS = Path(__file__).resolve().parent / "dags"
USER = "admin"
DAG_ID = "report_review"
DAG_IDS = (DAG_ID, "figures_review", "descriptions_review", "example_hitl_review_typed")


def connection_to(port: int, secret: str) -> str:
    """An Airflow connection to a receiver, as the JSON of an ``AIRFLOW_CONN_...`` variable."""
    return json.dumps({"conn_type": "http", "host": f"http://127.0.0.1:{port}/webhooks", "password": secret})


def launch_receiver(
    home: Path,
    port: int,
    secret: str,
    *,
    python: Path = Path(sys.executable),
    program: Sequence[str] = (str(ROOT / "demo" / "webhook_receiver.py"),),
    env: Mapping[str, str] = MappingProxyType({}),
) -> Process:
    """Start a receiver that keeps its events in ``home``; waiting and stopping is the caller's.

    Args:
        home: for its log, and the events in ``events.jsonl``.
        port: where it listens.
        secret: of its webhooks.
        python: the interpreter, of the environment that it runs in.
        program: arguments of Python that run it.
        env: further environment variables.
    """
    return Process(
        [str(python), *program, "--port", str(port), "--log", str(home / "events.jsonl")],
        env={**os.environ, **env, "HITL_WEBHOOK_SECRET": secret},
        log=home / "receiver.log",
        cwd=home,
    )


@dataclass
class Receiver:
    """The webhook receiver, as a process of its own."""

    process: Process
    port: int
    secret: str

    def events(self) -> list[dict[str, Any]]:
        """What it has received and verified so far."""
        answer = requests.get(f"http://127.0.0.1:{self.port}/events", timeout=10)
        events: list[dict[str, Any]] = answer.json()["events"]
        return events

    def connection(self) -> str:
        """An Airflow connection to it, as the JSON of an ``AIRFLOW_CONN_...`` variable."""
        return connection_to(self.port, self.secret)


@contextmanager
def own_folder(path: Path) -> Iterator[Path]:
    """An empty folder that no other run uses.

    Raises:
        StartError: another run holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_suffix(".lock")
    with lock.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StartError(f"Another run uses {path}. End it first (Ctrl-C where it runs).") from None
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
        yield path


@contextmanager
def receiver(home: Path) -> Iterator[Receiver]:
    """Start the receiver."""
    port, secret = free_port(), generate_secret()
    process = launch_receiver(home, port, secret)
    found = Receiver(process, port, secret)
    try:
        wait_until(
            lambda: _answers(f"http://127.0.0.1:{port}/events"),
            timeout=60,
            what="the receiver",
            alive=process.alive,
        )
        yield found
    finally:
        process.stop()


@contextmanager
def airflow(home: Path, hook: Receiver) -> Iterator[AirflowInstance]:
    """Start ``airflow standalone`` with the demo's DAGs."""
    instance = AirflowInstance(
        home,
        DAGS,
        users={USER: "admin"},
        settings={
            "AIRFLOW_CONN_DEMO_WEBHOOK": hook.connection(),
            # A decision soon after the output waits for a heartbeat of the scheduler (every 5 s by default).
            "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
        },
    )
    with started(instance):
        yield instance


@contextmanager
def started(instance: AirflowInstance) -> Iterator[None]:
    """Run an instance until the end of the block; it knows the demo's DAGs by then."""
    try:
        instance.start("standalone")
        for dag_id in DAG_IDS:
            instance.wait_for_dag(dag_id)
        yield
    finally:
        instance.stop()


@contextmanager
def jupyter(home: Path, instance: AirflowInstance) -> Iterator[str]:
    """Start JupyterLab on a copy of the notebooks; yields the address to open."""
    notebooks = home / "notebooks"
    shutil.copytree(ROOT / "notebooks", notebooks, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    with jupyter_server(home, notebooks, notebook_env(home, instance)) as address:
        yield address("lab/tree/review.ipynb")


@contextmanager
def jupyter_server(home: Path, root: Path, env: dict[str, str]) -> Iterator[Callable[[str], str]]:
    """Start a Jupyter server with JupyterLab and, where it is installed, Notebook 7.

    Args:
        home: folder for its settings and its log.
        root: folder of the notebooks.
        env: environment of the server and its kernels, see ``jupyter_env``.

    Yields:
        A function from a path such as ``lab/tree/review.ipynb`` to the address to open.
    """
    settings = home / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    quiet = {"fetchNews": "false", "checkForUpdates": False}
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(quiet))
    port, token = free_port(), secrets.token_hex(16)
    command = [str(BIN / "jupyter"), "lab", "--no-browser", f"--port={port}", "--ServerApp.ip=127.0.0.1"]
    command += [f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={root}"]
    command += ["--ServerApp.port_retries=0", "--LabApp.extension_manager=readonly"]
    if os.geteuid() == 0:
        command.append("--allow-root")
    process = Process(command, env=env, log=home / "jupyter.log", cwd=root)
    try:
        wait_until(
            lambda: _answers(f"http://127.0.0.1:{port}/api/status?token={token}"),
            timeout=120,
            what="JupyterLab",
            alive=process.alive,
        )
        yield lambda path: f"http://127.0.0.1:{port}/{path}?token={token}"
    except StartError as error:
        raise StartError(f"{error}:\n{process.tail()}") from None
    finally:
        process.stop()


def notebook_env(home: Path, instance: AirflowInstance) -> dict[str, str]:
    """Environment of a kernel that is to find this Airflow."""
    return {
        **jupyter_env(home),
        "HITL_REVIEW_URL": instance.url,
        "HITL_REVIEW_USERNAME": USER,
        "HITL_REVIEW_PASSWORD": USER,
    }


def jupyter_env(home: Path) -> dict[str, str]:
    """Environment of a Jupyter apart from the user's own settings."""
    return {
        **os.environ,
        "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}",
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
    }


@contextmanager
def whole(home: Path, *, with_jupyter: bool) -> Iterator[tuple[AirflowInstance, Receiver, str]]:
    """Start everything; the third value is JupyterLab's address, empty without it."""
    with ExitStack() as stack:
        stack.enter_context(own_folder(home))
        hook = stack.enter_context(receiver(home))
        instance = stack.enter_context(airflow(home / "airflow", hook))
        address = stack.enter_context(jupyter(home / "jupyter", instance)) if with_jupyter else ""
        yield instance, hook, address


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False

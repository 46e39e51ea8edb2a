"""An environment for each Airflow that this project runs on, with the versions that its constraints file names."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".venv-airflow"
CONSTRAINTS = Path(__file__).parent / "constraints"


@dataclass(frozen=True)
class Version:
    """An Airflow to test with.

    Attributes:
        airflow: its version.
        python: minor version of Python.
        provider: whether the AI provider is installed, too: it needs Python 3.11.
        ours: whether this project is.
        examples: whether what the example DAGs need is installed, too.
        replaces: whether the provider's operator is also replaced by configuration, in a live run.
        kills: whether agents are also killed once their calls are approved.
        agents: which agents of ``dags/agents.py`` are reviewed there.
        is_upgraded: whether it is upgraded to the newest one while reviews wait.
        fab: whether FAB's auth manager is installed, too. It needs older packages than the rest.
    """

    airflow: str
    python: str
    provider: bool = True
    ours: bool = True
    examples: bool = False
    replaces: bool = False
    agents: tuple[str, ...] = ("either",)
    kills: bool = False
    is_upgraded: bool = False
    fab: bool = False

    @property
    def name(self) -> str:
        """Of its environment."""
        return f"{self.airflow}-fab" if self.fab else self.airflow if self.ours else f"{self.airflow}-provider-only"

    @property
    def constraints(self) -> Path:
        """The file that names its versions."""
        return CONSTRAINTS / f"airflow-{self.airflow}{'-fab' if self.fab else ''}.txt"

    @property
    def has_awaiting_input(self) -> bool:
        """Whether tasks park in the state that is made for it."""
        return tuple(map(int, self.airflow.split(".")[:2])) >= (3, 3)

    @property
    def has_spans(self) -> bool:
        """Whether tasks run in a span of OpenTelemetry."""
        return tuple(map(int, self.airflow.split(".")[:2])) >= (3, 2)


VERSIONS = (
    Version("3.1.0", "3.10", provider=False),
    Version("3.1.8", "3.11"),
    Version("3.2.2", "3.12", replaces=True, is_upgraded=True),
    Version("3.3.2", "3.13", examples=True, replaces=True, kills=True, agents=("model", "listed", "either")),
)
PROVIDER_ONLY = Version("3.3.2", "3.13", ours=False)
FAB = Version("3.3.2", "3.13", provider=False, fab=True)

_BEING_MADE: dict[str, Lock] = {}


def find_python(minor: str) -> str | None:
    """An interpreter of that version on this machine; None if there is none."""
    candidates = [
        shutil.which(f"python{minor}"),
        *([sys.executable] if sys.version.startswith(f"{minor}.") else []),
    ]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates += [str(path) for path in sorted(pyenv.glob(f"{minor}.*/bin/python"))]
    for candidate in candidates:
        # pyenv puts a script on the path that fails for a version that is not chosen.
        if candidate and subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0:
            return candidate
    found = subprocess.run([_uv(), "python", "find", minor], capture_output=True, text=True, check=False)
    return found.stdout.strip() or None if found.returncode == 0 else None


def environment(version: Version) -> Path:
    """Make the environment if it is not there yet, and return its folder of programs.

    It is made once: the stories ask for it in threads of their own, beside the tests.

    Raises:
        RuntimeError: something cannot be installed, or it has other versions than it should.
    """
    with _BEING_MADE.setdefault(version.name, Lock()):
        return _made(version)


def _made(version: Version) -> Path:
    folder, constraints, wanted = FOLDER / version.name, version.constraints, _wanted(version)
    texts = constraints.read_bytes() + (ROOT / "pyproject.toml").read_bytes() + " ".join(wanted).encode()
    made_of = hashlib.sha256(texts).hexdigest()
    marker = folder / "made-of"
    if not marker.exists() or marker.read_text() != made_of:
        shutil.rmtree(folder, ignore_errors=True)
        python = find_python(version.python)
        if python is None:
            raise RuntimeError(f"There is no Python {version.python} on this machine.")
        _run(_uv(), "venv", "--quiet", "--python", python, str(folder))
        _run(
            _uv(),
            "pip",
            "install",
            "--quiet",
            "--compile-bytecode",
            "--constraint",
            str(constraints),
            *wanted,
            env=folder,
        )
        marker.write_text(made_of)
    asked = (
        "import importlib.metadata as m, json, sys;"
        "print(json.dumps([m.version('apache-airflow-core'), '%d.%d' % sys.version_info[:2]]))"
    )
    has = json.loads(_run(str(folder / "bin" / "python"), "-c", asked))
    if has != [version.airflow, version.python]:
        raise RuntimeError(f"{folder} has Airflow and Python {has}, not {version}.")
    return folder / "bin"


def _wanted(version: Version) -> list[str]:
    """What is installed there."""
    wanted = [f"apache-airflow=={version.airflow}", "asyncpg", "psycopg2-binary", "statsd"]
    wanted += ["apache-airflow-providers-common-ai"] if version.provider else []
    wanted += ["apache-airflow-providers-fab"] if version.fab else []
    wanted += ["langchain-core"] if version.examples else []
    wanted += ["standardwebhooks"] if version.is_upgraded else []  # version 0.1.0 needs it
    wanted += ["--editable", f"{ROOT}[airflow]"] if version.ours else []
    return wanted


def _uv() -> str:
    return str(Path(sys.executable).parent / "uv")


def _run(*command: str, env: Path | None = None) -> str:
    more = {"VIRTUAL_ENV": str(env)} if env is not None else {}
    done = subprocess.run(command, env=os.environ | more, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}")
    return done.stdout

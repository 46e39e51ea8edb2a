"""A Redis server for the tests: own folder, own port, gone afterwards."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

from demo.processes import Process, free_port, wait_until


class RedisServer:
    """A server that can be started, killed and started again.

    Args:
        folder: for its data and its log.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.port = free_port()

    @property
    def url(self) -> str:
        """For Celery's ``broker_url``."""
        return f"redis://127.0.0.1:{self.port}/0"

    def executor(self, database: str) -> dict[str, str]:
        """Settings of an Airflow with Celery and this broker; ``database`` is the URL of Airflow's own."""
        return {
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
            "AIRFLOW__CELERY__BROKER_URL": self.url,
            "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{database}",
        }

    def launch(self) -> Process:
        """Start it, and wait until it answers. It keeps each write at once: no task in its queue is lost."""
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder)]
        command += ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
        process = Process(command, env={"PATH": "/usr/bin:/bin"}, log=self._folder / "redis.log", cwd=self._folder)
        wait_until(self._answers, timeout=30, what="redis-server", alive=process.alive, interval=0.1)
        return process

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False


def is_installed() -> bool:
    """Whether ``redis-server`` is on this machine (Debian: apt-get install redis-server)."""
    return shutil.which("redis-server") is not None

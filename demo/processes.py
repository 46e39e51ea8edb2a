"""Child processes: started, waited for, killed and stopped by code; and free ports for them."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

STOP_TIMEOUT = 15.0

PATIENCE = float(os.environ.get("HITL_PATIENCE") or 1)
"""How many times longer than usual to wait before giving up; for machines that do much else at the same time."""

_SHARE = 0.1
"""The most of the time that ``wait_until`` may spend with looking: what it waits for needs the processor, too."""


class StartError(RuntimeError):
    """A part did not start; the message ends with what it printed last."""


def free_port() -> int:
    """A TCP port on loopback that nothing listens on now.

    It is below those that Linux gives to outgoing connections (from 32768), one of which could have it as its own
    before the server starts.
    """
    while True:
        port = random.randint(10_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def wait_until(
    ready: Callable[[], bool],
    *,
    timeout: float,
    what: str,
    interval: float = 0.2,
    alive: Callable[[], bool] | None = None,
) -> None:
    """Wait until ``ready()``, at most ``timeout`` seconds times ``PATIENCE``.

    Args:
        ready: whether what is waited for is there.
        timeout: in seconds.
        what: is waited for, for the message.
        interval: seconds between two looks; more if a look takes long.
        alive: whether waiting still makes sense.

    Raises:
        StartError: it took too long, or ``alive()`` became false.
    """
    timeout *= PATIENCE
    end = time.monotonic() + timeout
    while True:
        begun = time.monotonic()
        if ready():
            return
        if alive is not None and not alive():
            raise StartError(f"{what} ended while starting")
        if time.monotonic() > end:
            raise StartError(f"{what} was not ready within {timeout:.0f} s")
        took = time.monotonic() - begun
        time.sleep(max(interval, took / _SHARE - took))


class Process:
    """A child process with its own process group and its output in a file."""

    def __init__(self, command: Sequence[str], *, env: Mapping[str, str], log: Path, cwd: Path) -> None:
        self.log = log
        self._file = log.open("ab")
        self._child = subprocess.Popen(
            list(command),
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=self._file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """Process id, which is also that of its group."""
        return self._child.pid

    def alive(self) -> bool:
        """Whether it still runs."""
        return self._child.poll() is None

    def kill(self) -> None:
        """``kill -9`` for it and all its children."""
        self._signal(signal.SIGKILL)
        self._child.wait()
        self._file.close()

    def stop(self) -> None:
        """Ask it to end, then make it end."""
        self._signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(STOP_TIMEOUT)
        # Also what it may have left behind in its group.
        self.kill()

    def tail(self, lines: int = 25) -> str:
        """The end of what it printed."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._child.pid, number)

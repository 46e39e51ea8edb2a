"""Starts again what has died, as systemd or Kubernetes would."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from demo.processes import Process


class Keeper:
    """Looks after processes.

    Args:
        start: how to start each, by name; returns it once it runs, and need not wait until it serves.
    """

    def __init__(self, start: dict[str, Callable[[], Process]]) -> None:
        self._start = start
        self._running: dict[str, Process] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self.restarts = 0

    @contextmanager
    def at_work(self) -> Iterator[Keeper]:
        """While the block runs; all processes are ended afterwards."""
        self._running = {name: start() for name, start in self._start.items()}
        thread = threading.Thread(target=self._watch, name="keeper", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join(30)
            for process in self._running.values():
                process.stop()

    def kill(self, name: str) -> None:
        """``kill -9`` a process with all its children; it is started again soon."""
        with self._lock:
            self._running[name].kill()

    def _watch(self) -> None:
        while not self._stop.wait(0.5):
            with self._lock:
                for name, process in self._running.items():
                    if not process.alive():
                        process.kill()  # what it left in its group
                        self._running[name] = self._start[name]()
                        self.restarts += 1

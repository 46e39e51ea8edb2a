"""Runs the panel's work in the background.

In a notebook there is the kernel's event loop: HTTP requests run in threads, and their results are applied on
the loop, whichever thread a widget's callback ran on (with ipykernel 7 and JupyterLab it may be another one).
In plain Python there is no loop; then everything runs synchronously.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from hitl_notebook.errors import HITLNotebookError

log = logging.getLogger(__name__)

T = TypeVar("T")

AT_ONCE = 4
"""Maximum number of concurrent jobs of ``run_each``."""


@dataclass(frozen=True)
class Job:
    """Work for a thread, and callbacks on the loop for its result or error."""

    work: Callable[[], Any]
    done: Callable[[Any], object]
    failed: Callable[[HITLNotebookError], object]


class Background:
    """Runs work in threads and passes the results to the event loop it was created on."""

    def __init__(self) -> None:
        try:
            self._loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._forever: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def has_loop(self) -> bool:
        """Whether there is an event loop for background work."""
        return self._loop is not None

    def post(self, function: Callable[[], object]) -> None:
        """Call ``function`` on the loop; at once without one. Thread-safe."""
        if self._loop is None:
            function()
        elif not self._closed and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function)

    def run(
        self,
        work: Callable[[], T],
        done: Callable[[T], object],
        failed: Callable[[HITLNotebookError], object],
    ) -> None:
        """Run ``work`` in a thread, then call ``done`` or ``failed`` on the loop; without one, synchronously."""
        if self._loop is None:
            try:
                result = work()
            except Exception as error:  # noqa: BLE001 - a boundary, see _as_ours
                failed(_as_ours(error))
            else:
                done(result)
            return
        self.start(self._work(work, done, failed))

    def run_each(self, jobs: Iterable[Job], go_on: Callable[[], bool], ended: Callable[[], object]) -> None:
        """Run several jobs like ``run``, a few at a time; then call ``ended``.

        Args:
            jobs: the work, with its callbacks.
            go_on: called before each job; if it returns False, that job and the rest are skipped.
            ended: called once, after the last.
        """
        waiting = iter(jobs)
        if self._loop is None:
            for job in waiting:
                if not go_on():
                    break
                self.run(job.work, job.done, job.failed)
            ended()
            return

        async def take() -> None:
            for job in waiting:
                if not go_on():
                    return
                await self._work(job.work, job.done, job.failed)

        async def take_all() -> None:
            try:
                await asyncio.gather(*(take() for _ in range(AT_ONCE)))
            except Exception:
                ended()
                raise
            ended()

        self.start(take_all())

    def later(self, seconds: float, function: Callable[[], object]) -> Callable[[], object]:
        """Call ``function`` after a delay; at once if there is no loop. ``settled`` waits for it.

        Returns:
            A function that prevents the call, if it has not begun.
        """
        if self._loop is None:
            function()
            return lambda: None
        timer: list[asyncio.Task[None]] = []

        async def wait() -> None:
            await asyncio.sleep(seconds)
            timer.clear()
            function()

        timer += self.start(wait())
        return lambda: [task.cancel() for task in timer]

    def send_last(self, work: Callable[[], object]) -> None:
        """Run ``work`` in a thread that ``close`` does not stop; its result is dropped."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.run_in_executor(None, work)

    def start(self, coroutine: Any, *, forever: bool = False) -> list[asyncio.Task[None]]:
        """Run a coroutine until it ends or the panel is closed; call on the loop's thread.

        Args:
            coroutine: what to run.
            forever: whether it never ends by itself, so that ``settled`` does not wait for it.

        Returns:
            Its task; nothing if the panel is closed.
        """
        assert self._loop is not None
        if self._closed:
            coroutine.close()
            return []
        task = self._loop.create_task(coroutine)
        (self._forever if forever else self._tasks).add(task)
        task.add_done_callback(self._ended)
        return [task]

    async def settled(self) -> None:
        """Wait until all work has ended, except ``forever`` coroutines."""
        await asyncio.sleep(0)  # functions posted before this call start their work only now
        while self._tasks:
            await asyncio.wait(list(self._tasks))
            await asyncio.sleep(0)

    def close(self) -> None:
        """Cancel all work; pending results are dropped."""
        self._closed = True
        for task in [*self._tasks, *self._forever]:
            task.cancel()

    async def _work(
        self,
        work: Callable[[], T],
        done: Callable[[T], object],
        failed: Callable[[HITLNotebookError], object],
    ) -> None:
        try:
            result = await asyncio.to_thread(work)
        except Exception as error:  # noqa: BLE001 - a boundary, see _as_ours
            failed(_as_ours(error))
        else:
            done(result)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._forever.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("The review panel failed.", exc_info=error)


def _as_ours(error: Exception) -> HITLNotebookError:
    """Return an error for the panel to show. Any other exception is our bug: it is logged, and shown too."""
    if isinstance(error, HITLNotebookError):
        return error
    log.error("The review panel failed.", exc_info=error)
    return HITLNotebookError(f"Something went wrong in the panel: {type(error).__name__}: {error}.")

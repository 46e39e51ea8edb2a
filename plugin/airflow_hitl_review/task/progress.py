"""``report_progress()``: a task tells whoever waits for its next output what it does just now.

It is written to XCom by a thread, at most once a second and only if it has changed, so that nothing waits for it: a
model's stream goes on meanwhile. Once the output is there, the XCom is deleted. Where threads may not use XComs
(Airflow 3.1, ``dag.test()``), the call itself writes, at most once a second, and only on the main thread outside an
event loop: so it never writes while another request of the task waits for its answer.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from airflow_hitl_review.core.airflow_sdk import MAY_USE_THREADS, option, redact
from airflow_hitl_review.core.options import is_on
from airflow_hitl_review.core.progress import MAX_PARTIAL, MAX_STEPS, Progress, last_steps, one_sentence
from airflow_hitl_review.core.schema import PROGRESS_KEY
from airflow_hitl_review.core.trace import TraceStep
from airflow_hitl_review.task.current_task import current_ti, is_in_process
from airflow_hitl_review.task.review_settings import ReviewSettings
from airflow_hitl_review.task.task_xcoms import TaskXComs, utcnow

log = logging.getLogger(__name__)

INTERVAL = 1.0
"""Seconds between the beginnings of two writes, at least."""

LOAD_SHARE = 5
"""After two slow writes, the next waits this many times as long as they took: a busy API server gets fewer."""

_MOST_FAILURES = 3
"""After so many failed writes in a row, a reporter gives up: the output is worth more."""

_LONGEST_WRITE = 5.0
"""Seconds for which the task waits at most for a write that has begun, once the output is there."""


def report_progress(text: str, fraction: float | None = None) -> None:
    """Tell whoever waits for the running task's next output what the task does just now::

        for number, file in enumerate(files):
            report_progress(f"Reading {file.name}", fraction=number / len(files))

    It costs next to nothing, however often it is called. Outside a task that is reviewed, it does nothing.

    Args:
        text: what the task does, in one sentence; what looks like a secret is masked.
        fraction: how much of it is done, 0 to 1; None if that is not known.
    """
    if (reporter := reporter_of(current_ti())) is not None:
        reporter.tell(str(text), fraction)


class Reporter:
    """Tells what one task instance does for one output. Thread-safe; raises nothing.

    Args:
        xcoms: those of the task instance.
        iteration: number of the output.
        in_thread: whether a thread writes; else ``tell`` and the others do.
    """

    def __init__(self, xcoms: TaskXComs, iteration: int, *, in_thread: bool) -> None:
        self._xcoms = xcoms
        self._in_thread = in_thread
        self._lock = threading.Lock()
        self._changed, self._ended = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._iteration = iteration
        self._text = self._partial = ""
        self._fraction: float | None = None
        self._steps: deque[TraceStep] = deque(maxlen=MAX_STEPS)
        self._step_count = self._failures = 0
        self._written: Progress | None = None
        self._has_begun = False  # whether anything may be in XCom
        self._next_write, self._took = -math.inf, 0.0

    def tell(self, text: str, fraction: float | None = None) -> None:
        """Say what the task does; see ``report_progress``."""
        known = fraction is not None and math.isfinite(fraction)
        with self._lock:
            self._text = text
            self._fraction = min(max(float(fraction or 0), 0.0), 1.0) if known else None
        self._has_changed()

    def add_steps(self, steps: Sequence[TraceStep]) -> None:
        """Add what the task has done."""
        with self._lock:
            self._steps.extend(steps)
            self._step_count += len(steps)
        self._has_changed()

    def add_text(self, text: str, *, anew: bool = False) -> None:
        """Add to the output as far as it is made, or begin it anew."""
        with self._lock:
            self._partial = (("" if anew else self._partial) + text)[-MAX_PARTIAL:]
        self._has_changed()

    def end(self) -> None:
        """The output is there, or will not be."""
        self._ended.set()
        self._changed.set()
        if self._thread is not None:
            self._thread.join(_LONGEST_WRITE)
        if self._has_begun:
            try:
                self._xcoms.delete(PROGRESS_KEY)
            except Exception:  # not a timeout of the task, which is for the task
                log.warning("The progress of %s could not be deleted.", self._xcoms.key, exc_info=True)

    def _has_changed(self) -> None:
        if self._ended.is_set() or self._failures >= _MOST_FAILURES:
            return
        if not self._in_thread:
            if time.monotonic() >= self._next_write and _may_write_here():
                self._write()
            return
        self._changed.set()
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._keep_writing, name="hitl-review-progress", daemon=True)
                self._thread.start()

    def _keep_writing(self) -> None:
        while self._failures < _MOST_FAILURES:
            self._changed.wait()
            self._changed.clear()
            if self._ended.is_set():
                return
            self._write()
            self._ended.wait(max(0.0, self._next_write - time.monotonic()))

    def _write(self) -> None:
        start = time.monotonic()
        try:
            now = self._now()
            if self._written is None or now.model_copy(update={"at": self._written.at}) != self._written:
                self._has_begun = True
                self._xcoms.push_once(PROGRESS_KEY, now.stored())
                self._written = now
            self._failures = 0
        except Exception:  # not a timeout of the task, which is for the task
            self._failures += 1
            log.warning("The progress of %s could not be told.", self._xcoms.key, exc_info=True)
        before, self._took = self._took, time.monotonic() - start
        self._next_write = start + max(INTERVAL, min(before, self._took) * LOAD_SHARE)

    def _now(self) -> Progress:
        with self._lock:
            text, fraction, partial = self._text, self._fraction, self._partial
            steps, left_out = list(self._steps), self._step_count - len(self._steps)
        return Progress(
            iteration=self._iteration,
            at=utcnow(),
            text=one_sentence(str(redact(text))),
            fraction=fraction,
            steps=last_steps(steps),
            left_out=left_out,
            partial=str(redact(partial))[-MAX_PARTIAL:],
        )


def _may_write_here() -> bool:
    """Whether no other request of the task can be under way: its connection has no lock."""
    if threading.current_thread() is not threading.main_thread():
        return False
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return True
    return False


_lock = threading.Lock()
_reporters: dict[str, Reporter] = {}  # by the id of the task instance


def reporter_of(ti: Any, iteration: int = 1) -> Reporter | None:
    """The reporter of a task instance, a new one if need be; None if nobody reviews it.

    Args:
        ti: the task instance; None outside a task.
        iteration: number of the output that is made, for a new one.
    """
    task = getattr(ti, "task", None)
    if not isinstance(task, ReviewSettings) or not task._is_reviewed or os.getpid() in _forked:
        return None
    with _lock:
        reporter = _reporters.get(str(ti.id))
        if reporter is None and is_on("progress", option):
            in_thread = MAY_USE_THREADS and not is_in_process()
            reporter = _reporters[str(ti.id)] = Reporter(TaskXComs(ti), iteration, in_thread=in_thread)
        return reporter


def end_progress(ti: Any) -> None:
    """The output that was made is there, or will not be."""
    with _lock:
        reporter = _reporters.pop(str(ti.id), None)
    if reporter is not None:
        reporter.end()


@contextmanager
def making(ti: Any, iteration: int) -> Iterator[None]:
    """Make an output in the block: what is reported there is about that one."""
    end_progress(ti)  # something may have been told since the last output
    reporter_of(ti, iteration)
    try:
        yield
    finally:
        end_progress(ti)


_forked: set[int] = set()
"""This process, if it was forked within a task: it shares the task's connection, and must leave it alone."""


def _note_fork() -> None:
    if current_ti() is not None:
        _forked.add(os.getpid())


os.register_at_fork(after_in_child=_note_fork)

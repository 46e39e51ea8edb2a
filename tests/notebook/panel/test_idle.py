"""An idle panel can refresh for hours without growing. A closed one leaves nothing behind."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.notebook.kernels import Kernel, kernel
from tests.notebook.panels import key
from tests.notebook.server import ReviewServer

TEN_MINUTES = 120
"""Refreshes in ten minutes, one every five seconds."""

WARM_UP = TEN_MINUTES
ROUND = 10 * TEN_MINUTES

PER_REFRESH = 100
"""Bytes. Less than any part of a review that could be leaked; a newly parsed review takes about 3,000."""

RESIDENT = 4_000_000
"""Bytes; memory that the allocator does not release immediately."""

MEASURE = """
import asyncio, gc, json, os, pathlib, threading, time, tracemalloc
import comm, ipywidgets

def measure():
    gc.collect()
    statm = pathlib.Path("/proc/self/statm").read_text().split()
    print(json.dumps({
        "threads": len(threading.enumerate()),
        "tasks": len(asyncio.all_tasks()),
        "comms": len(comm.get_comm_manager().comms),
        "widgets": len(ipywidgets.widgets.widget._instances),
        "files": len(os.listdir("/proc/self/fd")),
        "traced": tracemalloc.get_traced_memory()[0],
        "resident": int(statm[1]) * os.sysconf("SC_PAGE_SIZE"),
    }))

# All threads of the loop's pool for blocking work: how many it has made so far is chance.
await asyncio.gather(*(asyncio.to_thread(time.sleep, 0.1) for _ in range(40)))
tracemalloc.start()
"""


@dataclass(frozen=True)
class Figures:
    """Resources of a kernel; ``traced`` and ``resident`` are bytes of memory."""

    threads: int
    tasks: int
    comms: int
    widgets: int
    files: int
    traced: int
    resident: int

    def check(self, before: Figures, *, traced: int) -> None:
        """Assert that nothing has grown but this much memory; only now may a request be in flight."""
        print(f"\nbefore {before}\nafter  {self}")  # noqa: T201 - pytest -s shows it
        assert (self.threads, self.comms, self.widgets) == (before.threads, before.comms, before.widgets)
        assert self.tasks <= before.tasks + 2
        assert self.files <= before.files + 8
        assert self.traced - before.traced < traced
        assert self.resident - before.resident < RESIDENT


def measure(running: Kernel) -> Figures:
    """Measure, after ``MEASURE`` was run."""
    running.run("None")  # so that objects of the last cell are gone
    return Figures(**json.loads(running.run("measure()")))


def show(running: Kernel, server: ReviewServer, refresh_seconds: float) -> None:
    """Show a panel with an open review."""
    running.run(
        "from hitl_notebook import ReviewPanel\n"
        f"panel = ReviewPanel({server.url!r}, username='ada', password='ada-password', "
        f"refresh_seconds={refresh_seconds})\n"
        "await panel.settled()\n"
        "panel.open()\n"
        "await panel.settled()\n"
        "first_page = panel.workspace.inbox.page",
        cell="panel",
    )


def polls(server: ReviewServer) -> list[Any]:
    """Requests for the list."""
    return server.asked("/hitl-review/sessions")


def let_it_refresh(running: Kernel, server: ReviewServer, times: int) -> None:
    """Wait for this many refreshes."""
    goal = len(polls(server)) + times
    running.until(lambda: len(polls(server)) >= goal, timeout=120)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Kernel]:
    """A kernel that measures itself."""
    with kernel(Path(sys.executable), tmp_path, {"PYTHONASYNCIODEBUG": ""}) as started:
        started.run("import hitl_notebook.panel.panel")
        started.run(MEASURE)
        yield started


def test_idle_panel_does_not_grow(running: Kernel, server: ReviewServer) -> None:
    for number in range(20):
        server.add(f"dag_{number}", current_output="An output.\n" * 100)
    show(running, server, refresh_seconds=0.002)
    let_it_refresh(running, server, WARM_UP)
    figures, messages = [], []
    for _ in range(2):
        figures.append(measure(running))
        heard = len(running.heard)
        let_it_refresh(running, server, ROUND)
        messages.append([m for m in running.heard[heard:] if m["msg_type"].startswith("comm_")])
    figures.append(measure(running))

    figures[1].check(figures[0], traced=PER_REFRESH * ROUND)
    figures[2].check(figures[1], traced=PER_REFRESH * ROUND)
    assert messages == [[], []]  # nothing is sent to the browser
    # All but the first were answered with 304: they were conditional, and the list is still the first page object.
    assert [bool(seen.headers.get("if-none-match")) for seen in polls(server)[:2]] == [False, True]
    assert all(seen.headers.get("if-none-match") for seen in polls(server)[1:])
    assert running.run("print(panel.workspace.inbox.page is first_page)") == "True\n"
    assert len(server.asked("/hitl-review/sessions/find")) == 1
    assert len(server.asked("/auth/token")) == 1
    running.run("panel.close()")


def test_panel_does_not_grow_while_others_work(running: Kernel, server: ReviewServer) -> None:
    for number in range(20):
        server.add(f"dag_{number}", current_output="An output.\n" * 100)
    server.add("open")
    show(running, server, refresh_seconds=0.002)
    seen = 0

    def work(times: int) -> None:
        """The list changes with each refresh, the open review with every tenth."""
        nonlocal seen
        for _ in range(times):
            seen += 1
            server.change(key(f"dag_{seen % 20}"), prompt=f"Wish {seen}")
            if seen % 10 == 0:
                server.change(key("open"), current_output=f"Output {seen}\n" * 100)
            let_it_refresh(running, server, 2)
            running.heard.clear()

    work(50)
    figures = []
    for _ in range(2):
        figures.append(measure(running))
        work(100)
    figures.append(measure(running))
    figures[2].check(figures[1], traced=1_000 * 100)
    assert running.run("print(panel.session.prompt != '' and panel.output[:7])") == "Output \n"
    running.run("panel.close()")


def test_closed_panel_leaves_nothing_behind(running: Kernel, server: ReviewServer) -> None:
    server.add("a")
    show(running, server, refresh_seconds=0.01)  # creates what all panels share
    running.run("panel.close()\ndel panel, first_page")
    before = measure(running)
    for _ in range(3):
        show(running, server, refresh_seconds=0.01)
        let_it_refresh(running, server, 20)
        running.run(
            "import weakref\n"
            "parts = (panel, panel.client, panel.widget, panel.workspace, panel.workspace.model)\n"
            "parts = [weakref.ref(part) for part in parts]\n"
            "panel.close()\n"
            "del panel, first_page"
        )
        asked = len(server.seen)
        running.listen_for(0.3)
        assert len(server.seen) <= asked + 1  # one may have been in flight
        after = measure(running)
        assert running.run("print({part() for part in parts})") == "{None}\n"
        assert running.widgets == {}
        assert (after.tasks, after.comms, after.widgets) == (before.tasks, before.comms, before.widgets)
        assert after.threads == before.threads
        assert after.files <= before.files + 2
    assert "Traceback" not in running.log

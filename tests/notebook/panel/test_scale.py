"""The cost of thousands of reviews and of long ones, measured in a separate kernel."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from demo.processes import PATIENCE
from tests.notebook.kernels import Kernel, kernel
from tests.notebook.panels import key
from tests.notebook.server import ReviewServer, turn

DAGS = 40
ROUNDS = 10
OUTPUT_LENGTH = 20_000
WORDS = ("revenue", "of", "the", "**quarter**", "grew", "4.2 %", "while", "`EMEA`", "was", "flat,", "see", "[1]")
LONG = [f"long_{number}" for number in range(4)]

MEASURE = """
import asyncio, json, time
from hitl_notebook import ReviewKey, ReviewPanel

async def measure(what):
    whole, own, wall = time.process_time(), time.thread_time(), time.perf_counter()
    await what()
    whole, own, wall = time.process_time() - whole, time.thread_time() - own, time.perf_counter() - wall
    print(json.dumps({"whole": whole, "own": own, "wall": wall}))

async def first_view():
    global panel
    panel = ReviewPanel(%r, username="ada", password="ada-password", refresh_seconds=0)
    await panel.settled()

async def switch():
    panel.open(next(keys))
    await panel.settled()

async def request_only():
    await asyncio.to_thread(panel.client.find, panel.session.key)
"""


@dataclass(frozen=True)
class Cost:
    """Seconds that an operation in the kernel takes.

    Attributes:
        whole: processor time of all threads.
        own: the part in the thread that runs cells, which is blocked meanwhile.
        wall: elapsed time, including the server's.
    """

    whole: float
    own: float
    wall: float

    def __str__(self) -> str:
        whole, own, wall = (f"{seconds * 1000:.0f} ms" for seconds in (self.whole, self.own, self.wall))
        return f"{whole} of processor time, {own} of it in the way, {wall} until it was there"


def measure(running: Kernel, what: str) -> Cost:
    return Cost(**json.loads(running.run(f"await measure({what})")))


def say(text: str) -> None:
    """Print for ``pytest -s``."""
    print(f"\n{text}", end="")  # noqa: T201


def fill(server: ReviewServer, count: int) -> None:
    """Add this many pending reviews."""
    server.reset()
    for number in range(count):
        output = f"Output {number}: what there is to read in the list. " * 10
        server.add(
            f"dag_{number % DAGS}", f"manual__{number}", current_output=output, prompt=f"Wish {number} " * 30
        )


def long_review(seed: int) -> dict[str, Any]:
    """A review of ten rounds; each output differs from the previous one in a tenth of its lines."""
    chance = random.Random(seed)

    def line() -> str:
        return " ".join(chance.choice(WORDS) for _ in range(12))

    lines = [line()]
    while sum(map(len, lines)) < OUTPUT_LENGTH:
        lines.append(line())
    turns = []
    for number in range(1, ROUNDS + 1):
        for place in chance.sample(range(len(lines)), len(lines) // 10):
            lines[place] = line()
        turns.append(turn("output", "\n\n".join(lines), number))
        if number < ROUNDS:
            turns.append(turn("feedback", f"Round {number}: {line()}", number))
    return {
        "iteration": ROUNDS,
        "max_iterations": ROUNDS + 1,
        "current_output": "\n\n".join(lines),
        "conversation": turns,
    }


@pytest.fixture
def running(tmp_path: Path, server: ReviewServer) -> Iterator[Kernel]:
    with kernel(Path(sys.executable), tmp_path, {"PYTHONASYNCIODEBUG": ""}) as started:
        started.run(MEASURE % server.url)
        yield started


def test_first_view_cost_does_not_depend_on_review_count(running: Kernel, server: ReviewServer) -> None:
    costs, sizes = {}, {}
    for count in (1_000, 10_000):
        fill(server, count)
        tries = []
        for _ in range(4):
            server.seen.clear()
            heard = len(running.heard)
            tries.append(measure(running, "first_view"))
            sizes[count] = running.size(heard)
            assert [seen.path for seen in server.seen] == ["/auth/token", "/hitl-review/sessions"]
            assert running.run("print(panel.workspace.inbox.waiting)") == f"({count}, False)\n"
            assert running.run("print(len(panel.workspace.list.list.rows))") == "50\n"
            running.run("panel.close()")
        costs[count] = tries
        say(f"first view of {count:,}: {tries[0]}; {sizes[count]:,} bytes")
    assert costs[1_000][0].whole < 1 * PATIENCE
    assert costs[10_000][0].whole < 1 * PATIENCE
    few, many = (min(cost.whole for cost in costs[count]) for count in costs)
    assert many < 1.5 * few
    assert sizes[10_000] < 1.05 * sizes[1_000]
    assert sizes[10_000] < 500_000  # 110,000 of it are the scripts of the editor


def test_switch_between_long_reviews(running: Kernel, server: ReviewServer) -> None:
    fill(server, 1_000)
    for number, name in enumerate(LONG):
        server.add(name, **long_review(number))
    running.run("keys = iter(())")
    measure(running, "first_view")

    def switch(*names: str) -> tuple[Cost, int]:
        """The slowest of these switches, and the bytes sent to the browser per switch."""
        keys = [tuple(key(name)) for name in names]
        running.run(f"keys = iter([ReviewKey(*key) for key in {keys!r}])")
        heard = len(running.heard)
        costs = [measure(running, "switch") for _ in names]
        return max(costs, key=lambda cost: cost.whole), running.size(heard) // len(names)

    switch(LONG[0])  # loads the rendering modules
    request = min(measure(running, "request_only").whole for _ in range(5))
    unseen, size = switch(*LONG[1:])
    say(f"unseen, of {ROUNDS} outputs: at most {unseen}; {size:,} bytes; the request {request * 1000:.0f} ms")
    seen, size = switch(*LONG[-2:], *LONG[-2:], *LONG[-2:])
    say(f"back and forth between two: at most {seen}; {size:,} bytes")
    assert seen.whole - request < 0.1 * PATIENCE
    assert seen.own < 0.1 * PATIENCE
    assert unseen.own < 0.1 * PATIENCE  # the rest is done outside the cell thread
    assert unseen.whole - request < 0.3 * PATIENCE
    assert running.run("print(len(panel.session.conversation))") == f"{2 * ROUNDS - 1}\n"
    running.run("panel.close()")

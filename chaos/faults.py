"""What goes wrong, one after the other, in an order that the seed decides."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from chaos.keeper import Keeper
from chaos.points import Points

CLOCK_JUMPS = (90, -60, 0)
"""Seconds ahead of the true time; one after the other."""


@dataclass
class Faults:
    """Makes them.

    Attributes:
        points: where processes can be killed from inside.
        keeper: which processes can be killed from outside.
        others: what else can go wrong, by name.
        done: how often each was made.
        missed: those that were not made: no process came by, or the time was over.
    """

    points: Points
    keeper: Keeper
    others: Mapping[str, Callable[[], None]] = field(default_factory=dict)
    done: Counter[str] = field(default_factory=Counter)
    missed: list[str] = field(default_factory=list)

    def make(self, inside: Sequence[str], outside: Sequence[str], *, seed: int, until: float) -> None:
        """Make each of them once, until ``until`` (of ``time.monotonic()``); what was missed has a second chance.

        Args:
            inside: names of points.
            outside: names of processes and of ``others``; more than once to have it more often.
        """
        order = [*inside, *outside]
        random.Random(seed).shuffle(order)
        for _ in range(2):
            order = [name for name in order if not self._made(name, name in outside, until)]
        self.missed = order

    def _made(self, name: str, from_outside: bool, until: float) -> bool:
        """Make one of them; False if the time is over, or no process came by the point."""
        left = until - time.monotonic()
        if left <= 0:
            return False
        if name in self.others:
            self.others[name]()
        elif from_outside:
            self.keeper.kill(name)
        elif not self.points.fires(name, min(25.0, left)):
            return False
        self.done[name] += 1
        time.sleep(1.0)
        return True


class Clock:
    """The time that Airflow's processes see; ``inject/sitecustomize.py`` sets it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.set(0)
        self.environment = {"HITL_CHAOS_CLOCK": str(file)}

    def set(self, seconds: int) -> None:
        """Put it so many seconds ahead of the true time; a process that was forked keeps what it had then."""
        written = self._file.with_suffix(".new")
        written.write_text(f"{seconds:+d}")
        written.replace(self._file)

    def jump(self) -> None:
        """Forward, back, and to the true time again, with time for something to happen in each."""
        for seconds in CLOCK_JUMPS:
            self.set(seconds)
            time.sleep(4)

"""The end of all reviews, also where Airflow's scheduler has forgotten tasks in the state ``queued``.

Of two events about one task instance that its executor reports together, the late end of a try and the end of the
next one, Airflow keeps one ("Multiple executor events for same TI with different try_numbers!" in the scheduler's
log). If it is the older one, the task stays queued. ``[scheduler] task_queued_timeout`` is meant for that, and does
nothing with LocalExecutor, which has no ``revoke_task`` (Airflow 3.3.2). What helps is what helps any task: a
scheduler that is started anew takes on what its predecessor had queued.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from sqlalchemy.exc import DBAPIError

from chaos.evidence import ids_of_tasks
from chaos.keeper import Keeper
from chaos.traffic import open_tasks
from demo.airflow_instance import AirflowInstance

LONG = 60.0
"""Seconds in the state ``queued``, while nothing else is under way, after which a task counts as forgotten."""


class Forgotten:
    """Looks again and again for tasks that stay queued.

    Args:
        clock: seconds, of which the zero means nothing.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: dict[str, float] = {}

    def among(self, queued: Collection[str]) -> int:
        """How many of ``queued``, ids of task instances, have been in each look for long."""
        now = self._clock()
        self._since = {one: self._since.get(one, now) for one in queued}
        return sum(now - since >= LONG for since in self._since.values())


@dataclass
class End:
    """The end of all reviews.

    Attributes:
        forgotten: how many Airflow had forgotten in its queue, until its scheduler was started anew.
    """

    airflow: AirflowInstance
    keeper: Keeper
    reviews: int
    forgotten: int = 0
    _looks: Forgotten = field(default_factory=Forgotten)

    def is_reached(self) -> bool:
        """Whether all have ended; does what whoever runs Airflow would do about tasks that are forgotten."""
        left = open_tasks(self.airflow, self.reviews)
        if left and not self.forgotten:
            try:
                forgotten = self._looks.among(ids_of_tasks(self.airflow.database, "queued"))
            except DBAPIError:
                return False
            if forgotten == left:
                self.forgotten = forgotten
                self.keeper.kill("scheduler")
        return left == 0

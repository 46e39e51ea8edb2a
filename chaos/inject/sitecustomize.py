"""Kills the process that it is in, with ``kill -9``, at a named point; Python imports it at each start.

``chaos.points`` arms a point by making a file; who reaches the point takes the file away and dies. Only processes
whose environment has ``HITL_CHAOS_FOLDER`` look for one. At a point named ``fails`` or ``lost`` nobody dies:
writes of that XCom fail in this process for so long that it gives up, or are done and seem to fail.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

FOLDER = os.environ.get("HITL_CHAOS_FOLDER", "")
PREFIX = "airflow_hitl_review_"


def reach(point: str) -> None:
    """Die here if somebody has armed the point."""
    try:
        os.rename(f"{FOLDER}/armed/{point}", f"{FOLDER}/fired/{point}.{os.getpid()}")  # noqa: PTH104
    except FileNotFoundError:
        return
    if point.startswith("supervisor."):
        os.kill(os.getppid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


FAIL_SECONDS = 25.0
_failing: dict[str, float] = {}


def fail(point: str) -> None:
    """Fail here if somebody has armed the point, and for some time from then on."""
    try:
        os.rename(f"{FOLDER}/armed/{point}", f"{FOLDER}/fired/{point}.{os.getpid()}")  # noqa: PTH104
        _failing[point] = time.monotonic() + FAIL_SECONDS
    except FileNotFoundError:
        pass
    if time.monotonic() < _failing.get(point, 0.0):
        raise ConnectionError("no answer from the API server, says chaos")


KINDS = (
    *("agent_session", "agent_output", "human_action", "human_feedback", "edited_output", "message_history"),
    "webhook",
)


def kind_of(key: str) -> str:
    """What stands for an XCom key in the name of a point."""
    name = key.removeprefix(PREFIX)
    for kind in KINDS:
        if name.startswith(kind):
            return kind
    return name


def in_a_later_round(key: str = "", value: Any = None, *args: Any, **kwargs: Any) -> bool:
    """Whether an XCom is of another round than the first: there, the task only fails and is tried again.

    Or of what the clock decides, or of calls that are about to be made.
    """
    if is_of_the_clock(key, value) or key == f"{PREFIX}begun_calls":
        return True
    if isinstance(value, dict) and "iteration" in value:
        return int(value["iteration"]) > 1
    number = key.rpartition("_")[2]
    return number.isdigit() and int(number) > 1


def around(module: str, name: str, point: Callable[..., str | None]) -> None:
    """Have ``before.X`` and ``after.X`` around a function, where ``point`` of its arguments says what X is."""

    def wrapper(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        what = point(*args, **kwargs)
        if what is None:
            return wrapped(*args, **kwargs)
        part, _, rest = what.partition(".")
        is_later_round = part == "worker" and rest.startswith("xcom.") and in_a_later_round(*args, **kwargs)
        reach(f"{part}.before.{rest}")
        if part == "worker":
            reach(f"supervisor.before.{rest}")
        if is_later_round:
            fail(f"worker.fails.{rest}")
        result = wrapped(*args, **kwargs)
        if is_later_round:
            fail(f"worker.lost.{rest}")
        reach(f"{part}.after.{rest}")
        return result

    import wrapt

    @wrapt.when_imported(module)
    def wrap(loaded: Any) -> None:
        wrapt.wrap_function_wrapper(loaded, name, wrapper)


def is_of_the_clock(key: str, value: Any) -> bool:
    """Whether a worker writes what the clock decided: a session, or the action."""
    if key == f"{PREFIX}human_action":
        return True
    if key != f"{PREFIX}agent_session" or value["status"] == "pending_review":
        return False
    return any(decision["channel"] == "timeout" for decision in value.get("decisions", [])[-1:])


def pushed(key: str = "", value: Any = None, *args: Any, **kwargs: Any) -> str | None:
    if not key.startswith(PREFIX):
        return None
    kind = kind_of(key)
    return (
        "worker.xcom.clock_session"
        if kind == "agent_session" and is_of_the_clock(key, value)
        else f"worker.xcom.{kind}"
    )


def written(db: Any, task: Any, name: str, value: Any) -> str:
    return f"api.xcom.{kind_of(name)}"


def ended(ti: Any, *args: Any, **kwargs: Any) -> str | None:
    return "worker.state" if ti.dag_id.startswith("chaos_") else None


def named(point: str) -> Callable[..., str]:
    return lambda *args, **kwargs: point


def follow_the_clock(file: str) -> None:
    """See the time that the file says: so many seconds ahead of the true one."""
    import threading

    import time_machine

    ahead, travel = 0, None

    def look() -> None:
        nonlocal ahead, travel
        while True:
            with open(file) as opened:  # noqa: PTH123 - imports little: each process pays for it
                wanted = int(opened.read())
            if wanted != ahead:
                if travel is not None:
                    travel.stop()
                travel = time_machine.travel(time.time() + wanted, tick=True)
                travel.start()
                ahead = wanted
            threading.Event().wait(0.5)

    threading.Thread(target=look, name="chaos-clock", daemon=True).start()


if CLOCK := os.environ.get("HITL_CHAOS_CLOCK", ""):
    follow_the_clock(CLOCK)
if FOLDER:
    # The worker's way: each XCom, the park, the result; "state" is reached once Airflow knows it.
    around("airflow.sdk.execution_time.task_runner", "RuntimeTaskInstance.xcom_push", pushed)
    around("airflow_hitl_review.task.review_loop", "park", named("worker.park"))
    around("airflow_hitl_review.task.mixin", "HITLReviewMixin._approved", named("worker.result"))
    around("airflow_hitl_review.task.mixin", "HITLReviewMixin._check_edit", named("worker.edit"))
    around("airflow_hitl_review.task.review_session", "ReviewSession.load", named("worker.load"))
    around("airflow_hitl_review.task.event_publisher", "deliver_to_all", named("worker.delivery"))
    # An agent's calls: noted that they are begun, and each of them.
    around("airflow_hitl_review.task.review_session", "ReviewSession.begin_calls", named("worker.begin"))
    around("chaos_agent", "keep", named("worker.call"))
    around("airflow.sdk.execution_time.task_runner", "finalize", ended)
    # The API server's: after.decide is before the commit, before.wake_soon after it.
    around("airflow_hitl_review.server.reviews.decisions", "decide", named("api.decide"))
    around("airflow_hitl_review.server.db.xcoms", "write_xcom", written)
    around("airflow_hitl_review.server.reviews.resumer", "Resumer.wake_soon", named("api.wake_soon"))
    around("airflow_hitl_review.server.db.task_instances", "resume", named("api.resume"))
    # A delivery: claimed, sent, recorded.
    around("airflow_hitl_review.server.delivery.outbox", "claim_due", named("api.claim"))
    around("airflow_hitl_review.server.delivery.outbox", "record", named("api.record"))
    # Who receives.
    around("demo.webhook_receiver", "EventLog.add", named("receiver.keep"))

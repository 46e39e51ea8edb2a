"""Points at which a process can be killed, or its writes fail; see ``inject/sitecustomize.py``."""

from __future__ import annotations

import os
import time
from pathlib import Path

INJECT = Path(__file__).parent / "inject"

_XCOMS = ("agent_output", "agent_session", "message_history", "webhook")
WORKER = (
    *(f"worker.{side}.xcom.{kind}" for kind in _XCOMS for side in ("before", "after")),
    *(f"worker.{side}.delivery" for side in ("before", "after")),
    *("worker.before.park", "worker.before.state", "worker.after.load", "worker.before.result"),
    *("worker.before.edit", "worker.after.edit"),
    *(f"worker.{side}.xcom.{kind}" for kind in ("clock_session", "human_action") for side in ("before", "after")),
)
CALLS = (
    *("worker.before.xcom.begun_calls", "worker.after.xcom.begun_calls", "worker.after.begin"),
    *("worker.before.call", "worker.after.call"),
    *("worker.fails.xcom.begun_calls", "worker.lost.xcom.begun_calls"),
)
"""Of an agent whose calls were approved."""
FAILING_WRITES = tuple(
    f"worker.{how}.xcom.{kind}"
    for how in ("fails", "lost")
    for kind in ("message_history", "agent_output", "agent_session", "clock_session", "human_action")
)
"""Here nobody dies: the writes of a later round fail, or of what the clock decides; not done, or done and their
answer lost."""
SUPERVISOR = ("supervisor.before.xcom.agent_session", "supervisor.before.park", "supervisor.before.result")
API = (
    *("api.before.decide", "api.after.decide", "api.before.wake_soon", "api.after.wake_soon"),
    *(
        f"api.{side}.xcom.{kind}"
        for kind in ("edited_output", "agent_session", "human_action")
        for side in ("before", "after")
    ),
    *("api.before.resume", "api.after.resume"),
    *("api.after.claim", "api.before.record", "api.after.record"),
)
RECEIVER = ("receiver.before.keep", "receiver.after.keep")


class Points:
    """Arms points, in a folder that the processes know by their environment."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.calls = folder / "calls.jsonl"  # what agents have called; see inject/chaos_agent.py
        for name in ("armed", "fired"):
            (folder / name).mkdir(parents=True)
        path = os.pathsep.join(filter(None, (str(INJECT), os.environ.get("PYTHONPATH"))))
        self.environment = {"HITL_CHAOS_FOLDER": str(folder), "PYTHONPATH": path}

    def arm(self, point: str) -> None:
        """Have the next process that reaches the point die there."""
        (self._folder / "armed" / point).touch()

    def fail_reads(self, seconds: float = 20.0) -> None:
        """Have most reads of XComs fail for longer than a worker tries; see ``inject/chaos_xcoms.py``."""
        away = self._folder / "reads_fail"
        away.touch()
        time.sleep(seconds)
        away.unlink()

    def disarm(self, point: str) -> bool:
        """Take it back; whether it had not been reached."""
        try:
            (self._folder / "armed" / point).unlink()
        except FileNotFoundError:
            return False
        return True

    def fires(self, point: str, timeout: float) -> bool:
        """Arm a point, and wait until a process has died there; False, and not armed, if none has come by."""
        self.arm(point)
        end = time.monotonic() + timeout
        while (self._folder / "armed" / point).exists():
            if time.monotonic() > end:
                return not self.disarm(point)
            time.sleep(0.05)
        return True

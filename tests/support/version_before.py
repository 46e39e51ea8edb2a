"""Version 0.1.0: what it left in XCom, and its code.

``version_0_1_0.json`` was made by that version on an Airflow of its own. ``version_0_1_0.tar.xz`` is what Airflow
imports of it, from this repository's history, so that it also runs where that is not at hand::

    git archive 026e022 plugin/airflow_hitl_review rendering/hitl_rendering webhooks/hitl_webhooks | xz -9e
"""

from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path
from typing import Any
from uuid import UUID

_MADE: dict[str, Any] = json.loads(Path(__file__).with_name("version_0_1_0.json").read_text(encoding="utf-8"))

REVIEWS = tuple(_MADE["tasks"])

_CODE = Path(__file__).with_name("version_0_1_0.tar.xz")


def search_path(folder: Path) -> str:
    """``PYTHONPATH`` with which a process runs version 0.1.0 in an environment where this one is installed.

    Both have the same entry points and need the same packages.

    Args:
        folder: for its code.
    """
    with tarfile.open(_CODE) as archive:
        archive.extractall(folder, filter="data")
    return os.pathsep.join(str(folder / name) for name in ("plugin", "rendering", "webhooks"))


def task_instance_id(review: str) -> UUID:
    """Airflow's id of the task instance."""
    return UUID(_MADE["tasks"][review]["id"])


def resume_event(review: str) -> dict[str, Any]:
    """The event with which version 0.1.0 resumed the task."""
    event: dict[str, Any] = _MADE["tasks"][review]["next_kwargs"]["event"]
    return event


def xcoms_of(review: str, *, of: UUID | None = None, key: dict[str, Any] | None = None) -> dict[str, Any]:
    """The review's XComs.

    Args:
        review: name of its task.
        of: another id for its task instance.
        key: another ``dag_id``, ``run_id``, ``task_id`` and ``map_index`` for it.
    """
    text = json.dumps(_MADE["tasks"][review]["xcoms"])
    xcoms = dict(json.loads(text.replace(str(task_instance_id(review)), str(of or task_instance_id(review)))))
    for name, value in xcoms.items():
        if isinstance(value, dict) and "body" in value:  # an event, in which the key is told
            body = json.loads(value["body"])
            body["data"]["session"] |= key or {}
            xcoms[name] = value | {"body": json.dumps(body)}
    return xcoms

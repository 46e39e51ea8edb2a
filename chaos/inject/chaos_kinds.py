"""What the DAGs of reviews share."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

HAS_AGENTS = os.environ.get("HITL_CHAOS_AGENTS") == "1"
KINDS = ("review", "clock", "typed", "review", "policy", *(("agent",) if HAS_AGENTS else ()))
"""Task ids: plain text; text that is approved if nobody decides soon; JSON of a type, with progress; text that
nobody need see; an agent."""
COMMON: dict[str, Any] = {
    "webhooks": ["chaos_webhook"],
    "max_hitl_iterations": 3,
    "reviewers": os.environ.get("HITL_CHAOS_REVIEWERS", "").split(),
    "retries": 20,
    "retry_delay": timedelta(seconds=1),
}
COUNT = int(os.environ.get("HITL_CHAOS_PER_RUN", "5"))


def prompts_of(kind: str) -> list[str]:
    return [f"Item {number}" for number in range(COUNT) if KINDS[number % len(KINDS)] == kind]

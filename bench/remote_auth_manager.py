"""An auth manager that answers as over a network; the API server of the benchmark imports it."""

from __future__ import annotations

import time
from typing import Any

from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

SECONDS = 0.03


class RemoteAuthManager(SimpleAuthManager):
    """Each question about a DAG takes ``SECONDS``; there are no batches of questions."""

    def is_authorized_dag(self, **question: Any) -> bool:
        """Like the simple one."""
        time.sleep(SECONDS)
        return super().is_authorized_dag(**question)

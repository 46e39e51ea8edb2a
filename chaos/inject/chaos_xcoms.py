"""An XCom backend whose reads fail now and then, as an object store's do: while ``reads_fail`` is in the folder."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

from airflow.sdk.bases.xcom import BaseXCom

SHARE = 0.9
"""Of the reads of our XComs, while they fail; which ones, no seed decides."""


class FailingXComs(BaseXCom):
    """Airflow's own backend otherwise."""

    @staticmethod
    def deserialize_value(result: Any) -> Any:
        away = Path(os.environ["HITL_CHAOS_FOLDER"]) / "reads_fail"
        if result.key.startswith("airflow_hitl_review_") and away.exists() and random.random() < SHARE:
            (Path(os.environ["HITL_CHAOS_FOLDER"]) / "fired" / f"reads.{os.getpid()}").touch()
            raise OSError("503 Slow Down")
        return BaseXCom.deserialize_value(result)

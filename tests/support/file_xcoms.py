"""An XCom backend that keeps values in files; the database has only their names."""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path
from typing import Any

from airflow.sdk.bases.xcom import BaseXCom

AWAY = "xcoms_away"
"""File in AIRFLOW_HOME: values whose key begins with its text cannot be read while it is there."""


class FileXComs(BaseXCom):
    """Values in the folder ``xcoms`` of AIRFLOW_HOME."""

    @staticmethod
    def serialize_value(value: Any, **_: Any) -> str:
        folder = Path(os.environ["AIRFLOW_HOME"]) / "xcoms"
        folder.mkdir(exist_ok=True)
        path = folder / uuid.uuid4().hex
        path.write_text(json.dumps(value))
        return path.name

    @staticmethod
    def deserialize_value(result: Any) -> Any:
        away = Path(os.environ["AIRFLOW_HOME"]) / AWAY
        if away.exists() and result.key.startswith(away.read_text()):
            raise OSError("503 Slow Down: https://bucket.example.org/?signature=secret")
        return json.loads((Path(os.environ["AIRFLOW_HOME"]) / "xcoms" / result.value).read_text())

"""An XCom backend that keeps values in files; the database has only their names."""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path
from typing import Any

from airflow.sdk.bases.xcom import BaseXCom


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
        return json.loads((Path(os.environ["AIRFLOW_HOME"]) / "xcoms" / result.value).read_text())

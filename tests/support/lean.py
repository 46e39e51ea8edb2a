"""An Airflow that does less work: what its tasks import, they find imported, and it reads each DAG file once."""

from __future__ import annotations

from pathlib import Path

_BY_ALL_TASKS = (
    "airflow.sdk.execution_time.task_runner",
    "airflow.providers.standard.decorators.python",
    "airflow_hitl_review.task.operators",
    "markdown_it",
)
AGENTS = ("pydantic_ai.models.function", "airflow.providers.common.ai.operators.agent")
"""What tasks with agents import besides: it takes them seconds."""

_LOCAL_SETTINGS = """
import contextlib, importlib, sys

if {{"scheduler", "dag-processor"}} & set(sys.argv):  # from which Airflow forks tasks and readers of DAG files
    for name in {modules!r}:
        with contextlib.suppress(ModuleNotFoundError):  # not in every environment
            importlib.import_module(name)
"""


def lean(home: Path, *modules: str) -> dict[str, str]:
    """Settings for the Airflow of this folder, which gets an ``airflow_local_settings``.

    Args:
        home: AIRFLOW_HOME; made if needed.
        modules: what its tasks import besides what all of ours do.
    """
    config = home / "config"
    config.mkdir(parents=True)
    (config / "airflow_local_settings.py").write_text(_LOCAL_SETTINGS.format(modules=(*_BY_ALL_TASKS, *modules)))
    return {"AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "600"}

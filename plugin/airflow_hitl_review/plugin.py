"""The Airflow plugin: mounts the REST API at ``/hitl-review`` on the API server.

Registered as an ``airflow.plugins`` entry point. Those are loaded before the plugins of providers, and of
two apps at one prefix the first answers: where the AI provider is installed too, ours does.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from airflow_hitl_review.new_try import BeforeATry

URL_PREFIX = "/hitl-review"


@cache
def _fastapi_apps() -> list[dict[str, Any]]:
    from airflow_hitl_review.api import create_app

    return [{"app": create_app(), "url_prefix": URL_PREFIX, "name": "HITL review"}]


def _before_a_try(task_instance_id: str) -> None:
    dispatcher = getattr(_fastapi_apps()[0]["app"].state, "dispatcher", None)
    if dispatcher is not None:
        dispatcher.before_a_try(task_instance_id)


class _MadeWhenRead:
    """A class attribute that is made when it is first read.

    Airflow loads plugins in every process; only the API server reads ``fastapi_apps``. So workers and
    schedulers do not import the database models and FastAPI for nothing.
    """

    def __get__(self, instance: object, owner: type) -> list[dict[str, Any]]:
        return _fastapi_apps()


class HITLNotebookPlugin(AirflowPlugin):
    """What Airflow loads. The name differs from the provider's, or only one of the two would be loaded."""

    name = "hitl_notebook"
    fastapi_apps = _MadeWhenRead()
    fastapi_root_middlewares = [  # noqa: RUF012 - as AirflowPlugin declares it
        {"middleware": BeforeATry, "kwargs": {"look": _before_a_try}, "name": "HITL review"}
    ]

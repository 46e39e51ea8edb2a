"""The Airflow plugin: mounts REST API and pages at ``/hitl-review`` on the API server, and shows them in Airflow.

Registered as an ``airflow.plugins`` entry point. Those are loaded before the plugins of providers, and of
two apps at one prefix the first answers: where the AI provider is installed too, ours does.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from airflow_hitl_review.links import TAB_ROUTE
from airflow_hitl_review.new_try import BeforeATry

URL_PREFIX = "/hitl-review"


@cache
def _fastapi_apps() -> list[dict[str, Any]]:
    from airflow_hitl_review.api import create_app

    return [{"app": create_app(), "url_prefix": URL_PREFIX, "name": "HITL review"}]


@cache
def _external_views() -> list[dict[str, Any]]:
    """A tab of the task instance, and an entry in the menu beside Airflow's own "Required Actions".

    Airflow shows the tab only where ``GET /hitl-review/sessions/find`` finds a review. It replaces the
    placeholders, but leaves the last as it is where the task is not mapped.
    """
    from airflow_hitl_review import internals

    ours = internals.base_path() + URL_PREFIX
    icons = {"icon": f"{ours}/assets/review.svg", "icon_dark_mode": f"{ours}/assets/review-dark.svg"}
    query = "dag_id={DAG_ID}&run_id={RUN_ID}&task_id={TASK_ID}&map_index={MAP_INDEX}"
    tab = {
        "name": "Review",
        "href": f"{ours}/chat-by-task?{query}",
        "destination": "task_instance",
        "url_route": TAB_ROUTE,
    }
    entry = {
        "name": "Reviews",
        "href": f"{ours}/inbox",
        "destination": "nav",
        "category": "browse",
        "url_route": "hitl-reviews",
    }
    return [{**tab, **icons}, {**entry, **icons}]


def _before_a_try(task_instance_id: str) -> None:
    dispatcher = getattr(_fastapi_apps()[0]["app"].state, "dispatcher", None)
    if dispatcher is not None:
        dispatcher.before_a_try(task_instance_id)


class _MadeWhenRead:
    """A class attribute that is made when it is first read.

    Airflow loads plugins in every process; only the API server reads these. So workers and schedulers do not import
    the database models and FastAPI for nothing.
    """

    def __init__(self, make: Callable[[], list[dict[str, Any]]]) -> None:
        self._make = make

    def __get__(self, instance: object, owner: type) -> list[dict[str, Any]]:
        return self._make()


class HITLNotebookPlugin(AirflowPlugin):
    """What Airflow loads. The name differs from the provider's, or only one of the two would be loaded."""

    name = "hitl_notebook"
    fastapi_apps = _MadeWhenRead(_fastapi_apps)
    fastapi_root_middlewares = [  # noqa: RUF012 - as AirflowPlugin declares it
        {"middleware": BeforeATry, "kwargs": {"look": _before_a_try}, "name": "HITL review"}
    ]
    external_views = _MadeWhenRead(_external_views)

"""The Airflow plugin: mounts REST API and pages on the API server, and shows them in Airflow.

Registered as an ``airflow.plugins`` entry point. Those are loaded before the plugins of providers, and of
two apps at one prefix the first answers: where the AI provider is installed too, ours does.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import cache
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from airflow_hitl_review.core.options import is_on
from airflow_hitl_review.core.review import is_repeated, read_session
from airflow_hitl_review.core.schema import SESSION_KEY, TaskKey
from airflow_hitl_review.web.execution_api.repeated_writes import RepeatedWrites
from airflow_hitl_review.web.execution_api.try_start import TryStart


@cache
def _fastapi_apps() -> list[dict[str, Any]]:
    from airflow_hitl_review.server.db import transactions
    from airflow_hitl_review.web.app import create_app

    return [{"app": create_app(), "url_prefix": transactions.site().prefix, "name": "HITL review"}]


@cache
def _external_views() -> list[dict[str, Any]]:
    """A tab of the task instance, and an entry in the menu beside Airflow's own "Required Actions".

    From 3.2 on Airflow knows the tab's route ``hitl-review``: it shows that tab only where
    ``GET /hitl-review/sessions/find`` finds a review. Where our app has been moved, that route is left
    to the AI provider, and ours is on each task.
    Airflow replaces the placeholders, but leaves the last as it is where the task is not mapped.
    """
    from airflow_hitl_review.server.db import transactions
    from airflow_hitl_review.server.db.transactions import option

    site = transactions.site()
    ours = site.path
    route = site.prefix.strip("/")
    icons = {"icon": f"{ours}/assets/review.svg", "icon_dark_mode": f"{ours}/assets/review-dark.svg"}
    query = "dag_id={DAG_ID}&run_id={RUN_ID}&task_id={TASK_ID}&map_index={MAP_INDEX}"
    tab = {
        "name": "Review",
        "href": f"{ours}/chat-by-task?{query}",
        "destination": "task_instance",
        "url_route": route,
    }
    entry = {
        "name": "Reviews",
        "href": f"{ours}/inbox",
        "destination": "nav",
        "category": "browse",
        "url_route": f"{route}s",
    }
    wanted = [tab, entry] if is_on("review_tab", option) else [entry]
    return [{**view, **icons} for view in wanted]


def _before_a_try(task_instance_id: str) -> Collection[str]:
    from airflow_hitl_review.web.services import of_app

    services = of_app(_fastapi_apps()[0]["app"])
    if services is None:
        return ()
    from airflow_hitl_review.server.reviews import reschedule_recovery

    reschedule_recovery.keep_by_id(task_instance_id)
    keys: Collection[str] = services.dispatcher.before_a_try(task_instance_id)
    return keys


def _is_repeated(key: TaskKey, body: bytes) -> bool:
    from airflow_hitl_review.server.db.transactions import transaction
    from airflow_hitl_review.server.db.xcoms import read_xcoms, session_in

    written = session_in(body)
    if written is None:
        return False
    with transaction() as db:
        stored = read_xcoms(db, key, SESSION_KEY).get(SESSION_KEY)
    return is_repeated(written, read_session(stored))


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
        {"middleware": TryStart, "kwargs": {"look": _before_a_try}, "name": "HITL review"},
        {"middleware": RepeatedWrites, "kwargs": {"is_repeated": _is_repeated}, "name": "HITL review, sessions"},
    ]
    external_views = _MadeWhenRead(_external_views)

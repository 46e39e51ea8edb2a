"""The Airflow plugin: mounts the REST API and pages on the API server and links them in Airflow's UI.

Registered as an ``airflow.plugins`` entry point, as the AI provider's plugin is. Of two apps at the same prefix,
and of two tabs, Airflow takes the first; and it loads entry points in the order of their folders on the disk, which
can be any order. So our plugin takes the provider's app and tab away where it has its own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from functools import cache
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from airflow_hitl_review.core.options import is_on
from airflow_hitl_review.core.schema import SESSION_KEY
from airflow_hitl_review.core.stored import is_repeated, read_session
from airflow_hitl_review.core.task_key import TaskKey
from airflow_hitl_review.web.execution_api.session_writes import SessionWrites
from airflow_hitl_review.web.execution_api.try_start import TryStart

PROVIDER_PLUGIN = "airflow.providers.common.ai.plugins.hitl_review"
"""The module of the AI provider's plugin."""


@cache
def _fastapi_apps() -> list[dict[str, Any]]:
    from airflow_hitl_review.server.db import transactions
    from airflow_hitl_review.web.app import create_app

    return [{"app": create_app(), "url_prefix": transactions.site().prefix, "name": "HITL review"}]


@cache
def _external_views() -> list[dict[str, Any]]:
    """A task instance tab, and a menu entry beside Airflow's own "Required Actions".

    Since 3.2 Airflow treats the route ``hitl-review`` specially: it shows that tab only if
    ``GET /hitl-review/sessions/find`` finds a review. If our app has another prefix, the AI provider keeps that
    route, and every task shows our tab.
    Airflow replaces the placeholders, except the last one if the task is not mapped.
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


def _on_try_start(task_instance_id: str) -> Collection[str]:
    from airflow_hitl_review.web.services import of_app

    services = of_app(_fastapi_apps()[0]["app"])
    if services is None:
        return ()
    from airflow_hitl_review.server.reviews import reschedule_recovery

    reschedule_recovery.keep_by_id(task_instance_id)
    keys: Collection[str] = services.dispatcher.on_try_start(task_instance_id)
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


def _on_written(key: TaskKey, body: bytes) -> None:
    from airflow_hitl_review.server.db.xcoms import session_in
    from airflow_hitl_review.server.reviews import worker_decisions

    written = session_in(body)
    if written is not None:
        worker_decisions.record(key, written)


class _MadeWhenRead:
    """A class attribute that is computed when it is read.

    Airflow loads plugins in every process, but only the API server reads these attributes. So workers and
    schedulers do not import the database models and FastAPI needlessly.
    """

    def __init__(self, make: Callable[[], list[dict[str, Any]]]) -> None:
        self._make = make

    def __get__(self, instance: object, owner: type) -> list[dict[str, Any]]:
        return self._make()


def _take_the_providers_place() -> None:
    """Leave out the AI provider's app and tab where ours are.

    A provider that is loaded later than this plugin comes second anyway.
    """
    theirs = getattr(sys.modules.get(PROVIDER_PLUGIN), "HITLReviewPlugin", None)
    if theirs is None:
        return
    apps, tabs = list(theirs.fastapi_apps), list(theirs.react_apps)

    def other_apps() -> list[dict[str, Any]]:
        ours = {app["url_prefix"] for app in _fastapi_apps()}
        return [app for app in apps if app["url_prefix"] not in ours]

    def other_tabs() -> list[dict[str, Any]]:
        ours = {view["url_route"] for view in _external_views()}
        return [tab for tab in tabs if tab["url_route"] not in ours]

    theirs.fastapi_apps, theirs.react_apps = _MadeWhenRead(cache(other_apps)), _MadeWhenRead(cache(other_tabs))


class HITLNotebookPlugin(AirflowPlugin):
    """The plugin class. Airflow loads only one plugin per name, so it differs from the provider's."""

    name = "hitl_notebook"
    fastapi_apps = _MadeWhenRead(_fastapi_apps)
    fastapi_root_middlewares = [  # noqa: RUF012 - as AirflowPlugin declares it
        {"middleware": TryStart, "kwargs": {"look": _on_try_start}, "name": "HITL review"},
        {
            "middleware": SessionWrites,
            "kwargs": {"is_repeated": _is_repeated, "written": _on_written},
            "name": "HITL review, sessions",
        },
    ]
    external_views = _MadeWhenRead(_external_views)

    @classmethod
    def on_load(cls, *args: Any, **kwargs: Any) -> None:
        """Take the place of the AI provider's plugin; Airflow calls this in every process."""
        _take_the_providers_place()

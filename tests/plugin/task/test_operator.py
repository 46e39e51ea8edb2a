"""What DAG authors use, in a separate process: errors, settings, serialization, with the provider's names."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap

import pytest


def run(source: str) -> str:
    """Run Python with Airflow in a separate process, so that Airflow's warnings do not fail our tests."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(source)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_rejection_is_not_retried_and_errors_match_the_standard_provider() -> None:
    run("""
        from airflow.providers.standard.exceptions import HITLRejectException, HITLTimeoutError as Standard
        from airflow.sdk.exceptions import AirflowFailException
        from airflow_hitl_review import HITLRejectError, HITLReviewError, HITLTimeoutError
        for base in (HITLRejectException, AirflowFailException, HITLReviewError):
            assert issubclass(HITLRejectError, base)
        assert issubclass(HITLTimeoutError, Standard)
        assert not issubclass(HITLTimeoutError, AirflowFailException)
    """)


INVALID = (
    ("max_hitl_iterations=0", "max_hitl_iterations"),
    ("max_hitl_iterations=True", "max_hitl_iterations"),
    ("hitl_timeout=5", "hitl_timeout"),
    ("hitl_poll_interval=0", "hitl_poll_interval"),
    ("hitl_wait='sleep'", "hitl_wait"),
    ("on_regenerate_error='ignore'", "on_regenerate_error"),
    ("webhooks=['a', 'a']", "webhooks"),
    ("generate='x'", "generate"),
    ("generate=lambda: 1", "generate is called as generate(context), which <lambda>() does not take."),
    ("regenerate=lambda feedback: 1", "is called as regenerate(feedback, history), which <lambda>(feedback)"),
    ("webhooks=['htp:/x']", "neither a connection id nor a URL"),
    ("reviewers='ann'", "reviewers"),
    ("reviewers=['']", "reviewers"),
    ("reviewers=['ann'], hitl_wait='poll'", "hitl_wait='park'"),
)
"""Settings, and a word of the error that each gets."""


@pytest.fixture(scope="module")
def refusals() -> dict[str, str]:
    """What is said of each of the settings, in one process: to import Airflow takes most of the time."""
    printed = run(f"""
        import json
        from airflow_hitl_review import HITLReviewOperator
        given = dict(task_id="t", prompt="p", generate=print, regenerate=print)
        refused = {{}}
        for setting in {[setting for setting, _ in INVALID]!r}:
            try:
                HITLReviewOperator(**(given | eval(f"dict({{setting}})")))
            except ValueError as error:
                refused[setting] = str(error)
        print(json.dumps(refused))
    """)
    found: dict[str, str] = json.loads(printed.splitlines()[-1])
    return found


@pytest.mark.parametrize(("setting", "word"), INVALID)
def test_invalid_settings_are_refused_at_dag_parsing(refusals: dict[str, str], setting: str, word: str) -> None:
    assert word in refusals[setting]


def test_function_without_feedback_parameter_is_refused_at_dag_parsing() -> None:
    printed = run("""
        from airflow.sdk import DAG, task
        for arguments in ("topic", "topic, feedback", "topic, *, feedback"):
            scope = {}
            exec(f"def summarize({arguments}): ...", scope)
            try:
                with DAG("d"):
                    task.hitl_review(scope["summarize"])("Sales")
            except ValueError as error:
                print(error)
        try:
            with DAG("d"):
                @task.hitl_review(max_hitl_iterations=0)
                def fine(feedback=None): ...
                fine()
        except ValueError as error:
            print(error)
    """)
    refusals = printed.splitlines()
    assert [("feedback=None" in line) for line in refusals] == [True, True, True, False]
    assert "max_hitl_iterations" in refusals[-1]


def test_deadline_trigger_fires_airflows_timeout_event() -> None:
    run("""
        import asyncio
        from datetime import datetime, timedelta, timezone
        from airflow_hitl_review.trigger import ReviewDeadlineTrigger

        async def first(trigger):
            async for event in trigger.run():
                return event.payload

        soon = datetime.now(timezone.utc) + timedelta(seconds=0.3)
        trigger = ReviewDeadlineTrigger(soon.isoformat())
        path, arguments = trigger.serialize()
        assert path == "airflow_hitl_review.trigger.ReviewDeadlineTrigger"
        payload = asyncio.run(first(ReviewDeadlineTrigger(**arguments)))
        assert payload["error_type"] == "timeout"
        assert datetime.now(timezone.utc) >= soon
        try:
            asyncio.run(asyncio.wait_for(first(ReviewDeadlineTrigger()), 0.3))
        except asyncio.TimeoutError:
            print("waits")
    """)


def test_plugin_loads_its_app_lazily_and_its_provider_info_is_valid() -> None:
    run("""
        import sys
        from airflow_hitl_review.plugin import HITLNotebookPlugin
        loaded = {name for name in sys.modules if name.startswith("airflow_hitl_review.")}
        assert not {name for name in loaded if ".server" in name or ".web.http" in name or ".web.app" in name}
        (app,) = HITLNotebookPlugin.fastapi_apps
        assert app["url_prefix"] == "/hitl-review"
        assert HITLNotebookPlugin.fastapi_apps is HITLNotebookPlugin.fastapi_apps
        from airflow.providers_manager import ProvidersManager
        assert "hitl-notebook" in ProvidersManager().providers
        from airflow.configuration import conf
        ProvidersManager().initialize_providers_configuration()
        assert conf.get("hitl_review", "park_settle_seconds") == "60"
    """)


def test_tasks_do_not_import_what_only_forms_and_pages_need() -> None:
    """The mixin is imported for each task and whenever a DAG file is read."""
    run("""
        import sys
        from airflow_hitl_review import HITLReviewOperator
        assert "markdown_it" not in sys.modules
    """)


def test_routes_except_health_require_a_user_and_are_plain_functions() -> None:
    run("""
        import inspect
        from airflow_hitl_review.web.app import create_app
        from airflow_hitl_review.server.db.auth import get_user

        def asks(dependant):
            return any(d.call is get_user or asks(d) for d in dependant.dependencies)

        routes = [r for r in create_app().routes if hasattr(r, "dependant")]
        assert {r.path for r in routes} >= {"/health", "/sessions", "/sessions/find", "/sessions/approve"}
        # These only wait for the watcher, whose threads ask the database; they must not hold a thread each.
        waiting = {"/chat/events", "/chat/updates", "/inbox/events", "/inbox/updates"}
        waiting |= {"/sessions/progress", "/ag-ui"}
        for route in routes:
            if route.path == "/health":
                continue
            assert asks(route.dependant), route.path
            waits = route.path in waiting
            assert inspect.iscoroutinefunction(route.endpoint) == waits, route.path
            if waits:
                assert "transaction" not in inspect.getsource(route.endpoint), route.path
    """)


def test_operator_link_opens_the_review() -> None:
    """Also below a sub-path, for mapped and other tasks; a disabled review has no link."""
    printed = run("""
        import os
        os.environ["AIRFLOW__API__BASE_URL"] = "https://example.org/airflow/"
        from types import SimpleNamespace
        from airflow_hitl_review import HITLReviewLink, HITLReviewOperator
        from airflow_hitl_review.task.operator_link import push_links
        given = dict(task_id="t", prompt="p", generate=print, regenerate=print)
        for index, on in ((None, True), (3, True), (-1, False)):
            operator = HITLReviewOperator(**given, enable_hitl_review=on)
            assert [type(link) for link in operator.operator_extra_links] == [HITLReviewLink]
            ti = SimpleNamespace(dag_id="d", run_id="a+b", task_id="t", map_index=index)
            ti.xcom_push = lambda key, value: print(key, value)
            push_links(operator, ti)
    """)
    page = "/airflow/hitl-review/chat?dag_id=d&run_id=a%2Bb&task_id=t&map_index="
    wanted = [f"_link_HITLReviewLink {page}-1", f"_link_HITLReviewLink {page}3", "_link_HITLReviewLink "]
    assert printed.splitlines() == wanted


@pytest.mark.parametrize(("setting", "said"), [("True", True), ("perhaps", True), ("False", False)])
def test_review_continues_without_required_actions(setting: str, said: bool) -> None:
    """Here there is no supervisor to call; if the setting is off, the task does not try."""
    printed = run(f"""
        import logging, os, sys, uuid
        from types import SimpleNamespace
        os.environ["AIRFLOW__HITL_REVIEW__REQUIRED_ACTIONS"] = {setting!r}
        from airflow_hitl_review.core.schema import AgentSession
        from airflow_hitl_review.task.confirmation import Confirmation
        from airflow_hitl_review.task.review_session import ReviewSession
        logging.getLogger("airflow_hitl_review").addHandler(logging.StreamHandler(sys.stdout))
        ti = SimpleNamespace(id=uuid.uuid4(), dag_id="d", run_id="r", task_id="t", map_index=None)
        nobody = Confirmation((), is_resumed=False, event=None)
        ReviewSession(ti, AgentSession(), None, nobody).require_action()
    """)
    assert ("cannot be shown in Airflow's Required Actions" in printed) is said

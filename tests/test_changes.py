"""Each typical code change, made in a copy, works and touches only the files named in the docs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.documentation.pages import ROOT, read

PLUGIN = "plugin/airflow_hitl_review/"
COPIED = ("plugin", "hitl_notebook", "rendering", "webhooks", "tests/security", "tests/support", "demo")
PATHS = ("", "plugin", "rendering", "webhooks")


@dataclass(frozen=True)
class Change:
    """A change as a developer would make it.

    Attributes:
        title: title of its entry in ``docs/architecture.md``.
        files: maximum number of files.
        edits: file -> text before which something is inserted, and the inserted text.
        shows: a program that fails without the change and works with it.
    """

    title: str
    files: int
    edits: Mapping[str, tuple[tuple[str, str], ...]]
    shows: str


CHANGES = (
    Change(
        "A field of a review",
        3,
        {
            f"{PLUGIN}core/schema.py": (("    task_instance_id: str | None = None\n", '    topic: Text = ""\n'),),
            f"{PLUGIN}core/review.py": (
                ("    output_excerpt: str\n", "    topic: str\n"),
                ('        "reviewers": session.reviewers,\n', '        "topic": session.topic,\n'),
            ),
            "hitl_notebook/records.py": (("    output_sha256: str\n", '    topic: str = ""\n'),),
        },
        """
        import json
        from datetime import datetime, timezone
        from airflow_hitl_review.core.review import assemble, summarize, summary_of
        from airflow_hitl_review.core.stored import StoredValue
        from airflow_hitl_review.core.schema import SESSION_KEY, AgentSession
        from airflow_hitl_review.core.task_key import TaskKey
        from hitl_notebook.records import parse_review, parse_summary

        at, key = datetime.now(timezone.utc), TaskKey("d", "r", "t")
        session = AgentSession(prompt="p", current_output="x" * 9000, created_at=at, updated_at=at, topic="Tea")
        stored = StoredValue(session.model_dump(mode="json"), at)
        review = assemble(key, "awaiting_input", {SESSION_KEY: stored})
        assert parse_review(json.loads(review.model_dump_json())).topic == "Tea"
        for value in (stored, StoredValue(summary_of(session).model_dump(mode="json"), at)):
            assert parse_summary(json.loads(summarize(key, "running", value).model_dump_json())).topic == "Tea"
        old = {name: value for name, value in stored.value.items() if name != "topic"}
        assert summarize(key, "running", StoredValue(old, at)).topic == ""
        """,
    ),
    Change(
        "A setting",
        1,
        {
            f"{PLUGIN}core/option_table.py": (
                ('    "review_tab": Option(\n', '    "tea_time": Option("float", "17", "When to stop."),\n'),
            )
        },
        """
        from airflow.configuration import conf
        from airflow.providers_manager import ProvidersManager
        from airflow_hitl_review.core.options import reader, seconds

        ProvidersManager().initialize_providers_configuration()
        assert conf.get("hitl_review", "tea_time") == "17"  # Airflow knows it
        assert seconds("tea_time", reader(conf)) == 17
        """,
    ),
    Change(
        "A route",
        2,
        {
            f"{PLUGIN}web/routes/reviews.py": (
                (
                    '@router.post("/sessions/feedback"',
                    (
                        '@router.get("/sessions/prompt", responses=error_schemas.FOUND_REVIEW)\n'
                        "def prompt(key: ReadableTask) -> str:\n"
                        '    """What the task was asked for."""\n'
                        "    with transaction() as db:\n"
                        "        return decisions.find(db, key).prompt\n\n\n"
                    ),
                ),
            ),
            "tests/security/routes.py": (
                (
                    '    Route("GET", "/chat/updates", Kind.REVIEW),\n',
                    '    Route("GET", "/sessions/prompt", Kind.REVIEW),\n',
                ),
            ),
        },
        """
        import contextlib, io, json
        from tests.security.routes import LIST_ROUTES, ROUTES

        shown = io.StringIO()
        with contextlib.redirect_stdout(shown):
            exec(LIST_ROUTES)
        there = {tuple(one) for one in json.loads(shown.getvalue().splitlines()[-1])}
        assert ("GET", "/sessions/prompt") in there
        assert {(route.method, route.path) for route in ROUTES} == there
        from airflow_hitl_review.web.app import create_app
        assert "403" in create_app().openapi()["paths"]["/sessions/prompt"]["get"]["responses"]
        """,
    ),
    Change(
        "A format of webhooks",
        1,
        {
            "webhooks/hitl_webhooks/send/formats.py": (
                (
                    '@register("cloudevents")\n',
                    (
                        '@register("teams", signed=False)\n'
                        "def _teams(event_id: str, body: bytes) -> Rendered:\n"
                        '    return Rendered(encode({"text": event_id}), "application/json")\n\n\n'
                    ),
                ),
            )
        },
        """
        from airflow_hitl_review import Webhook
        from airflow_hitl_review.core.options import WebhookSettings
        from airflow_hitl_review.core.endpoint_lookup import resolve
        from hitl_webhooks.send.formats import get_format

        endpoint = resolve("http://127.0.0.1:9/", "teams", connection=None, settings=WebhookSettings())
        assert get_format(endpoint.format).render("e1", b"{}").body == b'{"text":"e1"}'
        assert Webhook("conn", format="teams").format == "teams"
        """,
    ),
    Change(
        "A question to the auth manager",
        1,
        {
            f"{PLUGIN}server/db/auth.py": (
                (
                    "    return _auth_manager().is_authorized_dag(\n        method=method,\n",
                    (
                        "    details = DagDetails(id=dag_id, team_name=team_name)\n"
                        "    if not _auth_manager().is_authorized_dag(\n"
                        '        method="GET", access_entity=DagAccessEntity.XCOM, details=details, user=user\n'
                        "    ):\n"
                        "        return False\n"
                    ),
                ),
            )
        },
        """
        from airflow_hitl_review.server.db import auth
        from airflow_hitl_review.web.http import dependencies

        class Manager:
            def is_authorized_dag(self, *, method, access_entity, details, user):
                asked.append((method, access_entity.name))
                return access_entity.name == "HITL_DETAIL"

        asked = []
        auth.get_auth_manager = Manager
        dependencies.team_names = lambda db, ids: dict.fromkeys(ids)
        assert not dependencies.may_read("ann", dependencies.TaskKey("d", "r", "t"))
        assert asked == [("GET", "XCOM")]
        """,
    ),
)


@pytest.fixture(scope="module")
def migrated_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home: Path = tmp_path_factory.mktemp("changes")
    return home


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.title)
def test_change_touches_only_documented_files(change: Change, tmp_path: Path, migrated_home: Path) -> None:
    for folder in COPIED:
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "tests" / "__init__.py").touch()

    def run() -> subprocess.CompletedProcess[str]:
        env = os.environ | {
            "PYTHONPATH": os.pathsep.join(str(tmp_path / path) for path in PATHS),
            "AIRFLOW_HOME": str(migrated_home),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        program = [sys.executable, "-c", textwrap.dedent(change.shows)]
        return subprocess.run(program, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)

    assert run().returncode != 0
    for name, edits in change.edits.items():
        text = (tmp_path / name).read_text(encoding="utf-8")
        for before, inserted in edits:
            assert text.count(before) == 1, (name, before)
            text = text.replace(before, inserted + before)
        (tmp_path / name).write_text(text, encoding="utf-8")
    done = run()
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(change.edits) <= change.files
    entry = re.search(
        rf"^- \*\*{change.title}\*\*.*?(?=^- \*\*|\Z)", read("architecture.md"), re.MULTILINE | re.DOTALL
    )
    assert entry is not None
    named = set(re.findall(r"`([\w/]+\.py)`", entry[0]))
    assert {name.removeprefix(PLUGIN) for name in change.edits} == named

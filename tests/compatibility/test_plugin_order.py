"""Whether our app and tab are served where the AI provider's plugin is, in whichever order both are loaded.

Airflow loads plugins in the order of their folders on the disk.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.compatibility.conftest import need_python
from tests.compatibility.environments import VERSIONS, environment

pytestmark = [pytest.mark.live, pytest.mark.timeout(300)]

SCRIPT = """
import importlib.metadata as metadata
import json
import sys

found = metadata.distributions
metadata.distributions = lambda **more: sorted(
    found(**more), key=lambda one: one.name, reverse=sys.argv[1] == "ours first"
)
from airflow import plugins_manager

plugins = [one.name for one in plugins_manager._get_plugins()[0]]
apps = [one["name"] for one in plugins_manager.get_fastapi_plugins()[0] if one["url_prefix"] == "/hitl-review"]
views, react = plugins_manager._get_ui_plugins()
tabs = [one["name"] for one in (*views, *react) if one["url_route"] == "hitl-review"]
print(json.dumps([plugins.index("hitl_notebook") < plugins.index("hitl_review"), apps[0], tabs]))
"""


@pytest.mark.parametrize(
    ("order", "settings", "app", "tabs"),
    [
        ("ours first", {}, "HITL review", ["Review"]),
        ("the provider first", {}, "HITL review", ["Review"]),
        ("the provider first", {"REVIEW_TAB": "False"}, "HITL review", ["HITL Review"]),
        ("the provider first", {"URL_PREFIX": "/reviews"}, "hitl-review", ["HITL Review"]),
    ],
)
def test_ours_has_its_place_in_any_order(
    order: str, settings: dict[str, str], app: str, tabs: list[str], tmp_path: Path
) -> None:
    need_python(VERSIONS[-1])
    env = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    env |= {"AIRFLOW_HOME": str(tmp_path), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    env |= {f"AIRFLOW__HITL_REVIEW__{name}": value for name, value in settings.items()}
    command = [str(environment(VERSIONS[-1]) / "python"), "-c", SCRIPT, order]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout.splitlines()[-1]) == [order == "ours first", app, tabs]

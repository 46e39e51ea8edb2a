"""The page on the architecture knows each module of the plugin and each folder, and none that is gone."""

from __future__ import annotations

import re

from tests.documentation.pages import ROOT, read

PLUGIN = ROOT / "plugin" / "airflow_hitl_review"
UNNAMED = {"__init__.py", "callbacks.py", "base_operator.py", "delivery_routes.py", "review_routes.py", "errors.py"}
"""Modules whose names say all there is to say."""


def test_each_module_of_the_plugin_has_its_place() -> None:
    named = set(re.findall(r"`(?:\w+/)*(\w+\.py)`", read("architecture.md")))
    assert {path.name for path in PLUGIN.glob("*.py")} - UNNAMED <= named
    own = ("plugin", "hitl_notebook", "webhooks", "rendering", "tests")
    assert named <= {path.name for folder in own for path in (ROOT / folder).rglob("*.py")}


def test_each_folder_has_its_place() -> None:
    text = read("architecture.md")
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and any(path.glob("**/*.py"))}
    for folder in folders - {name for name in folders if name.startswith(".")}:
        assert f"`{folder}/`" in text, folder

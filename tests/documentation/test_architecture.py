"""The page on the architecture knows each module of the plugin and each folder, and none that is gone."""

from __future__ import annotations

import re

from tests.documentation.pages import ROOT, read

PLUGIN = ROOT / "plugin" / "airflow_hitl_review"
WHOLE = ("server/db/", "web/pages/", "web/live/", "web/routes/", "example_dags/")
"""Folders that are one thing to the page."""


def test_each_module_of_the_plugin_has_its_place() -> None:
    named = set(re.findall(r"`((?:\w+/)*\w+\.py)`", read("architecture.md")))
    there = {path.relative_to(PLUGIN).as_posix() for path in PLUGIN.rglob("*.py")}
    modules = {path for path in there if not path.endswith("__init__.py") and not path.startswith(WHOLE)}
    assert not modules - named
    others = [
        path for folder in ("hitl_notebook", "webhooks", "rendering") for path in (ROOT / folder).rglob("*.py")
    ]
    named_from_the_root = {path.relative_to(ROOT).as_posix() for path in [*others, *(ROOT / "tests").rglob("*.py")]}
    assert named <= there | {path.name for path in others} | named_from_the_root


def test_each_folder_has_its_place() -> None:
    text = read("architecture.md")
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and any(path.glob("**/*.py"))}
    for folder in folders - {name for name in folders if name.startswith(".")}:
        assert f"`{folder}/`" in text, folder

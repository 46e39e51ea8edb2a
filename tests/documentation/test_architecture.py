"""The architecture page lists every module of the plugin and every folder, and none that no longer exists."""

from __future__ import annotations

import re

from tests.documentation.pages import ROOT, read

PLUGIN = ROOT / "plugin" / "airflow_hitl_review"
WHOLE = ("server/db/", "web/pages/", "web/live/", "web/routes/", "example_dags/")
"""Folders that the page lists as a whole."""


def test_every_plugin_module_is_listed() -> None:
    named = set(re.findall(r"`((?:\w+/)*\w+\.py)`", read("architecture.md")))
    there = {path.relative_to(PLUGIN).as_posix() for path in PLUGIN.rglob("*.py")}
    modules = {path for path in there if not path.endswith("__init__.py") and not path.startswith(WHOLE)}
    assert not modules - named
    others = [
        path for folder in ("hitl_notebook", "webhooks", "rendering") for path in (ROOT / folder).rglob("*.py")
    ]
    named_from_the_root = {path.relative_to(ROOT).as_posix() for path in [*others, *(ROOT / "tests").rglob("*.py")]}
    package = ROOT / "hitl_notebook"
    in_the_package = {path.relative_to(package).as_posix() for path in package.rglob("*.py")}
    assert named <= there | {path.name for path in others} | named_from_the_root | in_the_package


def test_every_folder_is_listed() -> None:
    text = read("architecture.md")
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and any(path.glob("**/*.py"))}
    for folder in folders - {name for name in folders if name.startswith(".")}:
        assert f"`{folder}/`" in text, folder

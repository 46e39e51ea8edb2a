"""Where Airflow is imported, and the dependencies between packages and extras."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from docs.reference import rooms

PACKAGE = Path(__file__).parent.parent / "plugin" / "airflow_hitl_review"
# Public, or needed by any plugin; all other Airflow modules are only imported in ``server.db``.
OPEN_TO_ALL = (
    "airflow.sdk",
    "airflow.plugins_manager",
    "airflow.policies",
    "airflow.triggers.base",
    "airflow.providers.common.ai",
    "airflow.providers.standard.exceptions",
)


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
    return found


def test_airflow_internals_are_imported_only_in_server_db() -> None:
    """import-linter, which checks all other dependencies, knows only the top-level name of external packages."""
    for path in PACKAGE.rglob("*.py"):
        if path.is_relative_to(PACKAGE / "server" / "db") or path.name == "airflow_sdk.py":  # versions differ
            continue
        for name in imports(path):
            inside = name == "sqlalchemy" or name.startswith(("sqlalchemy.", "airflow."))
            assert not inside or name.startswith(OPEN_TO_ALL), f"{path.name} imports {name}"


def test_package_diagram_matches_the_imports() -> None:
    assert rooms.PICTURE.read_text(encoding="utf-8") == rooms.picture(), "Run: make reference"
    for upper, lower in rooms.imports():
        assert rooms.PLACES[upper][1] < rooms.PLACES[lower][1], f"{upper} imports {lower}, which is above it"


@pytest.mark.parametrize(
    ("blocked", "statement", "extra"),
    [
        ("airflow", "from airflow_hitl_review import HITLReviewOperator", "hitl-notebook[airflow]"),
        ("ipywidgets", "from hitl_notebook import ReviewPanel", "hitl-notebook[notebook]"),
        ("requests", "from hitl_notebook import Client", "hitl-notebook[notebook]"),
        ("fastapi", "import hitl_webhooks.fastapi", "hitl-notebook[receiver]"),
    ],
)
def test_missing_extra_is_named(blocked: str, statement: str, extra: str) -> None:
    source = f"""
import importlib.abc, sys
class Block(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] == {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Block())
import hitl_webhooks
try:
    {statement}
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=60, check=False)
    assert extra in done.stdout, done.stderr

"""The ways between the packages, and what needs what."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = {
    "hitl_notebook": ROOT / "hitl_notebook",
    "airflow_hitl_review": ROOT / "plugin" / "airflow_hitl_review",
    "hitl_rendering": ROOT / "rendering" / "hitl_rendering",
    "hitl_webhooks": ROOT / "webhooks" / "hitl_webhooks",
}
MAY_NOT_IMPORT = {
    "hitl_notebook": {"airflow", "airflow_hitl_review", "hitl_webhooks", "fastapi", "sqlalchemy"},
    "airflow_hitl_review": {"hitl_notebook", "ipywidgets"},
    "hitl_rendering": {
        *("airflow", "ipywidgets", "requests"),
        "airflow_hitl_review",
        "hitl_notebook",
        "hitl_webhooks",
    },
    "hitl_webhooks": {
        *("airflow", "ipywidgets", "requests"),
        "airflow_hitl_review",
        "hitl_notebook",
        "hitl_rendering",
    },
}
# Public, or what a plugin is made of; all else of Airflow sits behind one package.
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


@pytest.mark.parametrize("package", FOLDERS)
def test_arrows(package: str) -> None:
    for path in FOLDERS[package].rglob("*.py"):
        tops = {name.partition(".")[0] for name in imports(path)}
        assert not tops & MAY_NOT_IMPORT[package], path


def test_airflows_internals_sit_in_one_package() -> None:
    for path in FOLDERS["airflow_hitl_review"].rglob("*.py"):
        if path.parent.name == "internals" or path.name == "sdk.py":  # both say where versions differ
            continue
        for name in imports(path):
            inside = name == "sqlalchemy" or name.startswith(("sqlalchemy.", "airflow."))
            assert not inside or name.startswith(OPEN_TO_ALL), f"{path.name} imports {name}"


@pytest.mark.parametrize(
    ("blocked", "statement", "extra"),
    [
        ("airflow", "from airflow_hitl_review import HITLReviewOperator", "hitl-notebook[airflow]"),
        ("ipywidgets", "from hitl_notebook import ReviewPanel", "hitl-notebook[notebook]"),
        ("requests", "from hitl_notebook import Client", "hitl-notebook[notebook]"),
        ("fastapi", "import hitl_webhooks.receiver", "hitl-notebook[receiver]"),
    ],
)
def test_a_missing_extra_is_named(blocked: str, statement: str, extra: str) -> None:
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

"""The Python code in the pages compiles and its imports exist; complete DAGs are parsed as Airflow parses them.

The examples in ``docs/examples`` run in ``tests/webhooks/test_examples.py``, those of the README in
``tests/test_readme.py``.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from IPython.core.inputtransformer2 import TransformerManager

from tests.documentation.pages import PAGES, read

FENCE = re.compile(r"^(?P<indent> *)```python\n(?P<code>.*?)^(?P=indent)```", re.DOTALL | re.MULTILINE)
BLOCKS = [
    pytest.param(textwrap.dedent(found["code"]), id=f"{name}:{read(name).count(chr(10), 0, found.start()) + 2}")
    for name in PAGES
    for found in FENCE.finditer(read(name))
]
DAGS = [block for block in BLOCKS if "from airflow.sdk" in str(block.values[0])]


def test_code_blocks_are_found() -> None:
    assert len(BLOCKS) > 6
    assert len(DAGS) > 3


@pytest.mark.parametrize("code", BLOCKS)
def test_code_block_compiles_and_imports_exist(code: str) -> None:
    plain = TransformerManager().transform_cell(code)  # type: ignore[no-untyped-call]  # magics
    compile(plain, "block", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    for node in ast.walk(ast.parse(plain)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                assert importlib.util.find_spec(alias.name), alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.module
            for alias in node.names:
                assert has(node.module, alias.name), f"from {node.module} import {alias.name}"


READ = """
import json, sys
for name, code in json.load(sys.stdin):
    exec(compile(code, name, "exec", dont_inherit=True), {"__name__": "unusual_prefix"})
"""


def test_dags_can_be_parsed() -> None:
    sources = [(block.id, block.values[0]) for block in DAGS]
    done = subprocess.run(
        [sys.executable, "-c", READ],
        input=json.dumps(sources),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


ELSEWHERE = ("pydantic_ai",)
"""Installed with the AI provider; the example DAGs, which run there, have the same names."""


def has(module: str, name: str) -> bool:
    """Whether a name can be imported or, if the module's dependencies are not installed here, is defined in it."""
    try:
        return hasattr(importlib.import_module(module), name)
    except ImportError:
        package = module.partition(".")[0]
        if package in ELSEWHERE and importlib.util.find_spec(package) is None:
            return True
        spec = importlib.util.find_spec(module)
        if spec is None or spec.origin is None:
            return False
        body = ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body
        imported = {a.asname or a.name for node in body if isinstance(node, ast.ImportFrom) for a in node.names}
        return name in imported or any(getattr(node, "name", None) == name for node in body)

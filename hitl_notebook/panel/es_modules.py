"""ES modules of the panel's widgets. A widget takes one module as text, so what it imports comes with it.

Each ``import ... from "./name.js"`` becomes an import of a ``data:`` URL with that module. Browsers load such a
module once for all widgets that import it, in a scope of its own; the files stay usual modules.
"""

from __future__ import annotations

import re
from base64 import b64encode
from functools import cache
from importlib import resources

_IMPORT = re.compile(r'^(import [^"\n]*from )"\./([\w.]+)";$', re.MULTILINE)

_FOLDERS = (("hitl_notebook.panel", "front_end"), ("hitl_rendering", "front_end"))
"""Packages, and the folder in each, where a module is looked for by its name."""


@cache
def es_module(name: str) -> str:
    """Return a module's text, with the modules that it imports inside.

    Args:
        name: the file's name, such as ``"keyboard.js"``.

    Raises:
        FileNotFoundError: there is no such module.
    """
    return _IMPORT.sub(lambda found: f'{found[1]}"{_data_url(found[2])}";', _read(name))


def _data_url(name: str) -> str:
    return f"data:text/javascript;base64,{b64encode(es_module(name).encode()).decode()}"


def _read(name: str) -> str:
    for package, folder in _FOLDERS:
        file = resources.files(package) / folder / name
        if file.is_file():
            return file.read_text(encoding="utf-8")
    raise FileNotFoundError(f"There is no ES module {name!r}.")

"""ES modules of the panel's widgets. A widget takes one module as text, so what it imports comes with it.

The files are usual modules with imports such as ``import { make } from "./shared.js";``. The text of a widget's
module holds all of them, makes a ``blob:`` URL of each, as anywidget does of the text, and imports the last.
"""

from __future__ import annotations

import json
import re
from functools import cache
from importlib import resources

_IMPORT = re.compile(r'^import [^"]*? from "\./([\w.]+)";$', re.MULTILINE)

_FOLDERS = (("hitl_notebook.panel", "front_end"), ("hitl_rendering", "front_end"))
"""Packages, and the folder in each, where a module is looked for by its name."""

_LOADER = """const sources = %s;
const urls = {};
let url;
for (const [name, source] of Object.entries(sources)) {
  const text = source.replace(
    /(^import [^"]*? from )"\\.\\/([\\w.]+)";$/gm,
    (_, start, other) => `${start}"${urls[other]}";`,
  );
  url = urls[name] = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
}
const module = await import(url);
for (const one of Object.values(urls)) URL.revokeObjectURL(one);
export default module.default;
"""


@cache
def es_module(name: str) -> str:
    """Return the text of a widget's module, with the modules that it imports inside.

    Args:
        name: the file's name, such as ``"keyboard.js"``.

    Raises:
        FileNotFoundError: there is no such module.
    """
    sources: dict[str, str] = {}
    _collect(name, sources)
    return _LOADER % json.dumps(sources)


def _collect(name: str, sources: dict[str, str]) -> None:
    """Add a module after those that it imports."""
    if name in sources:
        return
    text = _read(name)
    for found in _IMPORT.finditer(text):
        _collect(found[1], sources)
    sources[name] = text


def _read(name: str) -> str:
    for package, folder in _FOLDERS:
        file = resources.files(package) / folder / name
        if file.is_file():
            return file.read_text(encoding="utf-8")
    raise FileNotFoundError(f"There is no ES module {name!r}.")

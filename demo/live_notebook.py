"""A notebook in a live kernel: its cells, and its panel driven as the browser drives it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from demo.processes import PATIENCE

# What follows runs in the kernel. A press is the message that the browser sends for it.
_REVIEWER = '''
import asyncio


def _below(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from _below(child)


def _elements(name):
    return [widget for widget in _below(panel.widget) if type(widget).__name__ == name]


async def _press(action, text, several):
    """Press a button of a decision form; confirm what it asks, or send what it holds back."""
    shown = [form for form in _elements("DecisionForm") if form.state["shown"]]
    form = next(form for form in shown if (form.state["key"] == "several") == several)
    for do in ("act", "confirm"):
        if do == "act" or form.state["confirm"]:
            message = {"do": do, "key": form.state["key"], "action": action, "text": text}
            form._handle_custom_msg(message, [])
            await asyncio.sleep(0)  # the panel reads it on its loop
    await panel.settled()
'''


class LiveNotebook:
    """A notebook in a kernel of its own; its panel is to be called ``panel``.

    Args:
        path: the file, which stays as it is.
        env: environment of the kernel.
    """

    def __init__(self, path: Path, env: Mapping[str, str]) -> None:
        self.book = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
        self._env = dict(env)
        self._client = NotebookClient(
            self.book,
            timeout=240 * PATIENCE,
            kernel_name="python3",
            resources={"metadata": {"path": str(path.parent)}},
        )

    @contextmanager
    def kernel(self) -> Iterator[None]:
        """Start the kernel; end it afterwards."""
        with self._client.setup_kernel(env=self._env):
            yield

    def run_all(self) -> None:
        """Run the file's cells, in order."""
        for index, cell in enumerate(list(self.book.cells)):
            self._client.execute_cell(cell, index)

    def run(self, source: str) -> str:
        """Run one more cell and return what it printed."""
        cell = nbformat.v4.new_code_cell(source)  # type: ignore[no-untyped-call]
        self.book.cells.append(cell)
        self._client.execute_cell(cell, len(self.book.cells) - 1)
        return "".join(output.get("text", "") for output in cell.outputs)

    def run_until(self, source: str, printed: str, timeout: float = 90.0) -> None:
        """Run a cell again and again until it prints this; the panel refreshes meanwhile.

        Raises:
            TimeoutError: it never did.
        """
        end = time.monotonic() + timeout * PATIENCE
        while (now := self.run(source).strip()) != printed:
            if time.monotonic() > end:
                raise TimeoutError(f"{source} printed {now}, not {printed}")
            time.sleep(0.5)

    def outputs_of(self, cell_id: str) -> str:
        """All outputs of a cell of the file, as JSON."""
        cell = next(cell for cell in self.book.cells if cell.id == cell_id)
        return json.dumps(cell.outputs, ensure_ascii=False)

    def saved(self) -> str:
        """The file as it would be saved now, with the state of its widgets."""
        self._client.set_widgets_metadata()
        text: str = nbformat.writes(self.book)  # type: ignore[no-untyped-call]
        return text

    # --- the panel

    def panel(self, source: str) -> str:
        """Run a cell when the panel has settled, let it settle again, and return what the cell printed."""
        return self.run(f"await panel.settled()\n{source}\nawait panel.settled()")

    def listed_runs(self) -> list[str]:
        """The runs whose reviews the panel lists."""
        source = 'print(*(row["run_id"] for row in _elements("InboxList")[0].rows), sep="\\n")'
        return self.panel(f"{_REVIEWER}\n{source}").split()

    def press(self, action: str, text: str = "", *, several: bool = False) -> None:
        """Press a button of the open review, or of all that are picked; and confirm it where the panel asks."""
        self.panel(f"{_REVIEWER}\nawait _press({action!r}, {text!r}, {several!r})")

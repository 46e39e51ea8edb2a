"""Real kernels of any version of ipykernel, and what a browser would know of their widgets.

Their environments, and that of Voilà, are apart from ours.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from queue import Empty
from typing import Any

import zmq
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.connect import write_connection_file

from demo.processes import PATIENCE

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENTS = ROOT / ".venv-kernels"
TIMEOUT = 30.0
"""Default timeout of waits in seconds."""

SILENCE = 3.0
"""Seconds without a message from a kernel after which it is woken."""

Message = dict[str, Any]


class NotInstalledError(Exception):
    """A version of a package could not be installed; the message says why."""


def python_with(package: str, version: str) -> Path:
    """The interpreter of a virtual environment with hitl_notebook and this version of a package.

    It is created once, and again when its sources have changed.

    Args:
        package: such as ``"ipykernel"``.
        version: such as ``"7.4"``.

    Raises:
        NotInstalledError: there is no uv, no network, or no such version for this Python.
    """
    name = f"{package}-{version}"
    folder = ENVIRONMENTS / name
    python = folder / "bin" / "python"
    made_from = hashlib.sha256(sys.version.encode())
    for source in ("pyproject.toml", "constraints.txt"):
        made_from.update((ROOT / source).read_bytes())
    ready = folder / ".ready"
    ENVIRONMENTS.mkdir(exist_ok=True)
    with (ENVIRONMENTS / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists() or ready.read_text() != made_from.hexdigest():
            _make_environment(folder, package, version)
            ready.write_text(made_from.hexdigest())
    return python


def _make_environment(folder: Path, package: str, version: str) -> None:
    constraints = (ROOT / "constraints.txt").read_text().splitlines()
    all_others = "\n".join(line for line in constraints if not line.startswith(f"{package}=="))
    python = folder / "bin" / "python"
    install = ["pip", "install", "--compile-bytecode", "--python", str(python), "--constraints", "-"]
    install += ["--editable", f"{ROOT}[notebook]", f"{package}=={version}.*"]
    for arguments in (["venv", "--clear", "--python", sys.executable, str(folder)], install):
        try:
            subprocess.run(
                [Path(sys.executable).with_name("uv"), "--quiet", *arguments],
                input=all_others,
                check=True,
                capture_output=True,
                text=True,
            )
        except subprocess.CalledProcessError as error:
            raise NotInstalledError(error.stderr.strip()[:500]) from error
        except OSError as error:
            raise NotInstalledError(str(error)) from error


class Kernel:
    """A kernel in a separate process, and a browser that shows its widgets.

    Args:
        python: the interpreter that it runs on.
        folder: for its files.
        environment: variables for the kernel. From this process it inherits neither ours nor pytest's: the latter
            would tell ipykernel that it is being tested, and it would do less.

    Attributes:
        widgets: comm id -> state of each open widget.
        custom: custom messages from the kernel to a widget (not state): comm id and content.
        heard: all messages from the kernel, in order of arrival.
    """

    def __init__(self, python: Path, folder: Path, environment: Mapping[str, str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._command = [str(python), "-m", "ipykernel_launcher", "-f", str(folder / "connection.json")]
        self._connection_file, _ = write_connection_file(
            str(folder / "connection.json"), key=uuid.uuid4().hex.encode()
        )
        self._log = folder / "kernel.log"
        self._folder = folder
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("HITL_", "PYTEST_"))},
            "IPYTHONDIR": str(folder / "ipython"),
            "JPY_PARENT_PID": str(os.getpid()),  # it ends with us in any case
            "PYTHONASYNCIODEBUG": "1",  # calls from other threads that the loop does not allow fail
            **environment,
        }
        self.widgets: dict[str, dict[str, Any]] = {}
        self.custom: list[tuple[str, Any]] = []
        self.heard: list[Message] = []
        self._connections: list[zmq.Socket[bytes]] = []
        self._subshell = ""
        self._sent: list[str] = []
        self._start()

    # --- the process

    def restart(self) -> None:
        """Kill and restart it; the browser still shows what it knew."""
        self._kill()
        self._start()

    def close(self) -> None:
        """Stop the kernel."""
        self._kill()

    @property
    def log(self) -> str:
        """The kernel's standard error output."""
        return self._log.read_text(errors="replace")

    def _start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._client = BlockingKernelClient()
        self._client.load_connection_file(self._connection_file)
        self._client.start_channels(hb=False)
        # Not the client's own wait_for_ready: it takes a kernel that starts slowly on a busy machine for dead.
        since = len(self.heard)
        self.until(lambda: self._is_ready(since), timeout=60)

    def _kill(self) -> None:
        self._client.stop_channels()
        while self._connections:
            self._connections.pop().close(linger=0)
        self._client.context.destroy(linger=0)
        self._process.kill()
        self._process.wait()

    # --- cells

    def run(self, code: str, *, cell: str = "", timeout: float = TIMEOUT) -> str:
        """Run a cell to its end, and return what it printed.

        Args:
            code: the cell's source.
            cell: the cell id, as sent by JupyterLab; none if empty.
            timeout: seconds.
        """
        return self.finish(self.begin(code, cell=cell), timeout=timeout)

    def begin(self, code: str, *, cell: str = "") -> str:
        """Run a cell without waiting for its end; returns the id of the request."""
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": True,
        }
        return self._send("execute_request", content, metadata={"cellId": cell} if cell else {})

    def finish(self, request: str, *, timeout: float = TIMEOUT) -> str:
        """Wait for the end of a cell, and return what it printed."""
        self.until(lambda: self.ended(request), timeout=timeout)
        answers = [m for m in self.heard if m["parent_header"].get("msg_id") == request]
        errors = [m["content"]["traceback"] for m in answers if m["msg_type"] == "error"]
        assert not errors, "\n".join(errors[0])
        return "".join(m["content"]["text"] for m in answers if m["msg_type"] == "stream")

    def ended(self, request: str) -> bool:
        """Whether the kernel has finished a request."""
        return any(
            m["msg_type"] == "status"
            and m["content"]["execution_state"] == "idle"
            and m["parent_header"].get("msg_id") == request
            for m in self.heard
        )

    @contextmanager
    def subshell(self) -> Iterator[None]:
        """Meanwhile widget messages go to a subshell, as in JupyterLab since ipykernel 7."""
        reply = self._ask_control("create_subshell_request")
        self._subshell, self._sent = reply["subshell_id"], []
        try:
            yield
            self.until(lambda: all(self.ended(request) for request in self._sent))
        finally:
            self._ask_control("delete_subshell_request", subshell_id=self._subshell)
            self._subshell = ""

    # --- widgets

    def widget(self, kind: str, **state: Any) -> str:
        """Id of the open widget of this class with this state."""
        found = [
            comm_id
            for comm_id, known in self.widgets.items()
            if kind in (str(known.get("_anywidget_id", "")).rpartition(".")[2], known.get("_model_name"))
            and all(known.get(name) == value for name, value in state.items())
        ]
        assert len(found) == 1, f"{len(found)} widgets of class {kind} with {state}"
        return found[0]

    def html(self) -> str:
        """All HTML that is shown."""
        return "\n".join(w["value"] for w in self.widgets.values() if w.get("_model_name") == "HTMLModel")

    def message(self, widget: str, **content: Any) -> str:
        """Send a message from a widget's front end; returns the ``ref`` of the kernel's answer."""
        ref = uuid.uuid4().hex
        self._comm(widget, {"method": "custom", "content": {**content, "ref": ref}})
        return ref

    def change(self, widget: str, **state: Any) -> None:
        """Change the state of a stock widget."""
        self._comm(widget, {"method": "update", "state": state, "buffer_paths": []})

    def press(self, description: str) -> None:
        """Click a stock button."""
        button = self.widget("ButtonModel", description=description)
        self._comm(button, {"method": "custom", "content": {"event": "click"}})

    # --- messages

    def until(self, holds: Callable[[], Any], *, timeout: float = TIMEOUT) -> None:
        """Process messages from the kernel until this holds."""
        timeout *= PATIENCE
        end = time.monotonic() + timeout
        heard, woken = len(self.heard), time.monotonic()
        while not holds():
            assert self._process.poll() is None, f"the kernel has ended\n{self.log[-3000:]}"
            assert time.monotonic() < end, f"it did not happen within {timeout:.0f} s\n{self.log[-3000:]}"
            self.listen(0.05)
            if len(self.heard) > heard:
                heard, woken = len(self.heard), time.monotonic()
            elif time.monotonic() > woken + SILENCE:
                # ipykernel 7.0 to 7.3 sometimes overlooks requests until something connects.
                self._connections.append(self._client.connect_shell())
                woken = time.monotonic()

    def listen_for(self, seconds: float) -> None:
        """Process messages from the kernel for this many seconds."""
        end = time.monotonic() + seconds
        self.until(lambda: time.monotonic() > end, timeout=seconds + TIMEOUT)

    def listen(self, seconds: float) -> None:
        """Process messages from the kernel for this many seconds, or until it has finished something."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            try:
                message = self._client.get_iopub_msg(timeout=left)
            except Empty:
                return
            self.heard.append(message)
            self._show(message)
            if message["msg_type"] == "status":
                return  # something may have finished

    def size(self, since: int = 0) -> int:
        """Bytes of the widget messages after the first ``since`` messages, as JSON."""
        about = [m for m in self.heard[since:] if m["msg_type"].startswith("comm_")]
        return sum(len(json.dumps(m["content"]).encode()) + sum(map(len, m["buffers"])) for m in about)

    def _is_ready(self, since: int) -> bool:
        """Whether it answers, and its published messages arrive here."""
        self._client.kernel_info()
        try:
            self._client.get_shell_msg(timeout=0.5)
        except Empty:
            return False
        self.listen(0.2)
        return any(m["parent_header"].get("msg_type") == "kernel_info_request" for m in self.heard[since:])

    def _comm(self, widget: str, data: Message) -> None:
        self._sent.append(self._send("comm_msg", {"comm_id": widget, "data": data}, subshell=self._subshell))

    def _send(
        self, kind: str, content: Message, *, metadata: Mapping[str, Any] | None = None, subshell: str = ""
    ) -> str:
        message = self._client.session.msg(kind, content, metadata=dict(metadata or {}))
        if subshell:
            message["header"]["subshell_id"] = subshell
        self._client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def _ask_control(self, kind: str, **content: Any) -> Message:
        message = self._client.session.msg(kind, content)
        self._client.control_channel.send(message)
        while True:
            reply = self._client.get_control_msg(timeout=TIMEOUT)
            if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                answer: Message = reply["content"]
                assert answer["status"] == "ok", answer
                return answer

    def _show(self, message: Message) -> None:
        kind, content = message["msg_type"], message["content"]
        if kind == "comm_open":
            assert content["target_name"] == "jupyter.widget"
            self.widgets[content["comm_id"]] = dict(content["data"]["state"])
        elif kind == "comm_close":
            self.widgets.pop(content["comm_id"], None)
        elif kind == "comm_msg":
            data = content["data"]
            if data["method"] == "update" and content["comm_id"] in self.widgets:
                self.widgets[content["comm_id"]].update(data["state"])
            elif data["method"] == "custom":
                self.custom.append((content["comm_id"], data["content"]))


@contextmanager
def kernel(python: Path, folder: Path, environment: Mapping[str, str]) -> Iterator[Kernel]:
    """A kernel that is stopped afterwards."""
    running = Kernel(python, folder, environment)
    try:
        yield running
    finally:
        running.close()

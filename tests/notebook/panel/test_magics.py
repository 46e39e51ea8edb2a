# IPython's shell has no type hints everywhere.
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import atexit
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from jupyter_client.manager import start_new_kernel
from traitlets.config import Config

from hitl_notebook import ReviewPage, ReviewPanel
from tests.notebook.panels import open_widgets, receive
from tests.notebook.server import ReviewServer

NAMES = ("HITL_REVIEW_URL", "HITL_REVIEW_TOKEN", "HITL_REVIEW_USERNAME", "HITL_REVIEW_PASSWORD")


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))


@pytest.fixture
def shell(_empty_environment: None) -> Iterator[InteractiveShell]:
    """A shell with the extension."""
    config = Config()
    config.HistoryManager.enabled = False
    shell = InteractiveShell(config=config)
    assert shell.run_cell("%load_ext hitl_notebook").success
    yield shell
    shell.run_cell("%unload_ext hitl_notebook")
    for value in [*shell.user_ns.values()]:
        if isinstance(value, ReviewPanel):
            value.close()
    atexit.unregister(shell.atexit_operations)
    shell.atexit_operations()


def run(shell: InteractiveShell, line: str) -> Any:
    done = shell.run_cell(f"result = {line}\nresult")
    assert done.success
    if isinstance(done.result, ReviewPanel):
        shell.user_ns[f"panel{shell.execution_count}_{id(done.result)}"] = done.result  # so that it is closed
    return done.result


def fail(shell: InteractiveShell, line: str, capsys: pytest.CaptureFixture[str]) -> str:
    """The error message of a failing magic: one line, no traceback."""
    capsys.readouterr()
    assert not shell.run_cell(line).success
    said = capsys.readouterr()
    text = said.out + said.err
    assert text.startswith("UsageError: ")
    assert "Traceback" not in text
    return text.removeprefix("UsageError: ").strip()


def logged_in(server: ReviewServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HITL_REVIEW_URL", server.url)
    monkeypatch.setenv("HITL_REVIEW_USERNAME", "ada")
    monkeypatch.setenv("HITL_REVIEW_PASSWORD", "ada-password")


def log_in(panel: ReviewPanel, url: str, username: str) -> None:
    """Click Connect in the panel's form."""
    receive(panel._login.widget, do="login", url=url, username=username, password=f"{username}-password", token="")


def typed(monkeypatch: pytest.MonkeyPatch, *answers: str) -> list[str]:
    """Simulate keyboard input; returns the prompts."""
    asked: list[str] = []
    left = list(answers)

    def answer(prompt: str = "") -> str:
        asked.append(prompt)
        return left.pop(0)

    monkeypatch.setattr("builtins.input", answer)
    monkeypatch.setattr("getpass.getpass", answer)
    return asked


def test_inbox_as_data_frame(
    shell: InteractiveShell, server: ReviewServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged_in(server, monkeypatch)
    server.add("sales", prompt="Sales of May")
    server.add("costs", status="changes_requested")
    server.add("ended", task_completed=True)
    server.add("done", status="approved", task_completed=True)

    def listed(line: str) -> list[str]:
        return list(run(shell, line)["dag_id"])

    assert listed("%hitl_inbox") == ["costs", "sales"]
    assert listed("%hitl_inbox --ended") == ["costs", "done", "ended", "sales"]
    assert listed("%hitl_inbox --dag costs") == ["costs"]
    assert listed("%hitl_inbox --search 'sales of'") == ["sales"]
    assert listed('%hitl_inbox --search "sales of" --dag costs') == []
    assert listed("%hitl_inbox --status pending_review --status changes_requested") == ["costs", "sales"]
    assert listed("%hitl_inbox --status approved") == ["done"]
    shell.user_ns["where"] = server.url
    assert listed("%hitl_inbox $where --dag {'sa' + 'les'}") == ["sales"]
    assert len(server.asked("/auth/token")) == 1


def test_inbox_without_pandas(
    shell: InteractiveShell, server: ReviewServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged_in(server, monkeypatch)
    monkeypatch.setitem(sys.modules, "pandas", None)
    for number in range(3):
        server.add("sales", f"r{number}")
    found = run(shell, "%hitl_inbox")
    assert isinstance(found, ReviewPage)
    assert [row.key.run_id for row in found] == ["r0", "r1", "r2"]
    assert shell.display_formatter is not None
    formats, _ = shell.display_formatter.format(found)
    assert formats["text/html"].startswith("<table>")
    assert formats["text/plain"].endswith("3 reviews.")


def test_panel_from_environment(
    shell: InteractiveShell, server: ReviewServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged_in(server, monkeypatch)
    server.add()
    panel = run(shell, "%hitl_review --refresh 0")
    assert isinstance(panel, ReviewPanel)
    assert panel.connected
    panel.open()
    assert panel.session is not None
    client = panel.client
    assert run(shell, "%hitl_review").client is client
    assert len(run(shell, "%hitl_inbox")) == 1
    assert len(server.asked("/auth/token")) == 1


def test_inbox_uses_the_login_of_the_panel(shell: InteractiveShell, server: ReviewServer) -> None:
    server.add()
    panel = run(shell, f"%hitl_review {server.url} --user ada")
    assert not panel.connected
    assert panel._login.widget.state["url"] == server.url
    assert panel._login.widget.state["username"] == "ada"
    log_in(panel, server.url, "ada")
    assert panel.connected
    assert list(run(shell, "%hitl_inbox")["dag_id"]) == ["reports"]
    assert len(server.asked("/auth/token")) == 1
    again = run(shell, "%hitl_review")
    assert again.client is panel.client


def test_last_connection_is_reused(
    shell: InteractiveShell, server: ReviewServer, outdated: ReviewServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.add("here")
    outdated.add("there")
    asked = typed(monkeypatch, "ada-password", "ada-password", "bob-password")
    panel = run(shell, f"%hitl_review {server.url}")
    assert list(run(shell, f"%hitl_inbox {outdated.url}/ --user ada")["dag_id"]) == ["there"]
    log_in(panel, server.url, "bob")
    assert list(run(shell, "%hitl_inbox")["dag_id"]) == ["here"]
    assert list(run(shell, f"%hitl_inbox {outdated.url} --user ada")["dag_id"]) == ["there"]
    assert list(run(shell, "%hitl_inbox")["dag_id"]) == ["there"]
    assert list(run(shell, "%hitl_inbox --user bob")["dag_id"]) == ["there"]
    assert run(shell, "%hitl_review").client.username == "bob"
    there = outdated.url
    assert asked == [f"Password of {user} at {there}: " for user in ("ada", "ada", "bob")]


def test_decision_over_inbox_connection_has_notebook_channel(
    shell: InteractiveShell, server: ReviewServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.add()
    typed(monkeypatch, "ada", "ada-password")
    run(shell, f"%hitl_inbox {server.url}")
    client = run(shell, "%hitl_review").client
    client.approve(client.sessions()[0])
    assert server.asked("/hitl-review/sessions/approve")[0].body["channel"] == "notebook"


def test_wrong_password_can_be_reentered(
    shell: InteractiveShell,
    server: ReviewServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server.add()
    asked = typed(monkeypatch, "wr0ng", "ada-password")
    said = fail(shell, f"%hitl_inbox {server.url} --user ada", capsys)
    assert said == "Airflow does not accept this username and password ('ada')."
    assert len(run(shell, f"%hitl_inbox {server.url} --user ada")) == 1
    assert len(asked) == 2


def test_errors_are_one_line(
    shell: InteractiveShell,
    server: ReviewServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for mode in ("Context", "Verbose"):
        shell.run_line_magic("xmode", mode)
        assert "%hitl_inbox http://localhost:8080" in fail(shell, "%hitl_inbox", capsys)
        assert "'ftp://x'" in fail(shell, "%hitl_inbox ftp://x", capsys)
        assert "'ftp://x'" in fail(shell, "%hitl_review ftp://x", capsys)
        assert "as arguments" in fail(shell, f"%hitl_review http://ada:s3cret@{server.url[7:]}", capsys)
        assert "unrecognized arguments: --password" in fail(shell, "%hitl_review --password p", capsys)
        assert "unrecognized arguments: --token" in fail(shell, "%hitl_inbox --token t", capsys)
        for refresh in ("soon", "-1", "nan", "inf"):
            assert "number of seconds" in fail(shell, f"%hitl_review --refresh={refresh}", capsys)
    typed(monkeypatch, "ada", "")
    assert "Give a user name and a password" in fail(shell, f"%hitl_inbox {server.url}", capsys)
    logged_in(server, monkeypatch)
    server.broken["/hitl-review"] = (503, "text/html", "<html>")
    assert fail(shell, "%hitl_inbox", capsys) == "The server answered 503."


def test_no_password_prompt_available(
    shell: InteractiveShell,
    server: ReviewServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def closed(prompt: str = "") -> str:
        raise EOFError

    monkeypatch.setattr("getpass.getpass", closed)
    said = fail(shell, f"%hitl_inbox {server.url} --user ada", capsys)
    assert said.startswith("This kernel cannot ask for a password. Set HITL_REVIEW_TOKEN")


def test_unloading_discards_everything(
    shell: InteractiveShell, server: ReviewServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged_in(server, monkeypatch)
    run(shell, "%hitl_inbox")
    assert shell.run_cell("%unload_ext hitl_notebook").success
    assert not {"hitl_inbox", "hitl_review"} & set(shell.magics_manager.magics["line"])
    assert "ReviewMagics" not in shell.magics_manager.registry
    assert shell.run_cell("%load_ext hitl_notebook").success
    run(shell, "%hitl_inbox")
    assert len(server.asked("/auth/token")) == 2


def test_panel_that_can_not_be_docked_is_closed(
    shell: InteractiveShell,
    server: ReviewServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    logged_in(server, monkeypatch)
    assert "right, left, bottom, tab, not at 'top'" in fail(shell, "%hitl_review --dock top", capsys)
    monkeypatch.setitem(sys.modules, "ipylab", None)
    assert "hitl-notebook[jupyterlab]" in fail(shell, "%hitl_review --dock right", capsys)
    assert open_widgets() == {}


def test_help(shell: InteractiveShell) -> None:
    for name, words in [
        ("hitl_inbox", ("--status", "--search", "--ended")),
        ("hitl_review", ("--refresh", "--user", "--dock")),
    ]:
        magic = shell.find_line_magic(name)
        assert magic is not None
        for word in (*words, "HITL_REVIEW_URL"):
            assert word in (magic.__doc__ or "")


def test_password_typed_in_a_real_kernel_is_not_exposed(server: ReviewServer) -> None:
    server.add()
    manager, kernel = start_new_kernel(startup_timeout=60, stderr=subprocess.DEVNULL)
    told: list[dict[str, Any]] = []
    asked: list[dict[str, Any]] = []

    def answer(message: dict[str, Any]) -> None:
        asked.append(message["content"])
        kernel.input("ada-password")

    try:
        for code in (
            "%load_ext hitl_notebook",
            "%xmode Verbose",
            f"%hitl_inbox {server.url} --user ada",
            "%history",
            "print(In, Out, get_ipython().user_ns)",
            f"%hitl_inbox {server.url} --user bob",
        ):
            kernel.execute_interactive(
                code, allow_stdin=True, stdin_hook=answer, output_hook=told.append, timeout=60, store_history=True
            )
        assert [seen["password"] for seen in asked] == [True, True]
        text = str([message["content"] for message in told])
        assert "reports" in text
        assert "does not accept this username and password ('bob')" in text
        assert "ada-password" not in text
        done = kernel.execute_interactive(
            f"%hitl_inbox {server.url} --user bob", allow_stdin=False, output_hook=told.append, timeout=60
        )
        assert done["content"]["status"] == "error"
        assert "This kernel cannot ask" in str(told[-2:])
    finally:
        kernel.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()

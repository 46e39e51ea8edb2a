"""A PostgreSQL server for the tests: own folder, own port, gone afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from demo.processes import free_port

ACCOUNT = "postgres"


def reachable_folder(prefix: str) -> Path:
    """Make a temporary folder that PostgreSQL's own account can reach; the caller removes it."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    folder.chmod(0o755)
    return folder


def find_binaries() -> Path | None:
    """The folder with ``initdb``, or None where PostgreSQL is not installed."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return installed[-1].parent if installed else None


def _run(binaries: Path, *command: str) -> None:
    # The server refuses to run as root; then it runs as the account that Debian's package makes.
    prefix = ["runuser", "-u", ACCOUNT, "--"] if os.geteuid() == 0 else []
    subprocess.run(
        [*prefix, str(binaries / command[0]), *command[1:]],
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
        cwd="/",
    )


class Server:
    """A running server."""

    def __init__(self, binaries: Path, port: int, data: Path) -> None:
        self._binaries = binaries
        self._port = port
        self._data = data
        self._user = ACCOUNT

    def url(self, database: str) -> str:
        """SQLAlchemy URL of a database."""
        return f"postgresql+psycopg2://{self._user}@127.0.0.1:{self._port}/{database}"

    def create(self, database: str, template: str = "template1") -> str:
        """Make a database, as a copy of another one, and return its URL."""
        arguments = ["-h", "127.0.0.1", "-p", str(self._port), "-U", self._user, "-T", template, database]
        _run(self._binaries, "createdb", *arguments)
        return self.url(database)

    def restart(self) -> None:
        """Stop it as a crash would (all connections are cut), and start it again with its options."""
        _run(self._binaries, "pg_ctl", "-D", str(self._data), "-w", "-m", "immediate", "restart")


@contextmanager
def server(binaries: Path, folder: Path, settings: str = "") -> Iterator[Server]:
    """Start a server with its data in ``folder`` and further options; stop it at the end."""
    port, data = free_port(), folder / "data"
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        # The account must be able to walk down to its folder.
        for parent in (folder, *folder.parents):
            if parent.stat().st_uid == 0 and str(parent).startswith("/tmp/"):
                parent.chmod(parent.stat().st_mode | 0o011)
        shutil.chown(folder, ACCOUNT)
    _run(binaries, "initdb", "-D", str(data), "-U", ACCOUNT, "-A", "trust", "-E", "UTF8", "--no-sync")
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=300 {settings}"
    _run(binaries, "pg_ctl", "-D", str(data), "-w", "-l", str(folder / "log"), "-o", options, "start")
    try:
        yield Server(binaries, port, data)
    finally:
        _run(binaries, "pg_ctl", "-D", str(data), "-w", "-m", "immediate", "stop")

"""A MySQL server for the tests: MariaDB with its own folder and port, gone afterwards; or one that runs already."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, create_engine, make_url

from demo.processes import Process, free_port, wait_until

_PREFIX = f"hitl_test_{os.getpid()}_"

GIVEN = "HITL_MYSQL"
"""Environment variable with the SQLAlchemy URL of a running server, without a database."""

_PROGRAM, _INSTALLS = "mariadbd", "mariadb-install-db"


def what_is_missing() -> tuple[str, str] | None:
    """What a server lacks here, and how to install it; None if nothing."""
    for driver in ("MySQLdb", "aiomysql"):  # both are needed by Airflow
        if importlib.util.find_spec(driver) is None:
            return driver, "uv pip install --group mysql; Debian: apt-get install libmariadb-dev"
    if not os.environ.get(GIVEN) and (_program() is None or shutil.which(_INSTALLS) is None):
        return "MariaDB", "Debian: apt-get install mariadb-server"
    return None


def _program() -> str | None:
    return shutil.which(_PROGRAM) or shutil.which(_PROGRAM, path="/usr/sbin")


class Server:
    """A running server."""

    def __init__(self, url: URL) -> None:
        self._url = url
        self._engine = create_engine(url)
        self._made: list[str] = []

    def create(self, name: str, template: str | None = None) -> str:
        """Make a database, as a copy of one made earlier, and return its URL."""
        database = f"{_PREFIX}{name}"
        with self._engine.connect() as connection:
            run = connection.exec_driver_sql
            run(f"create database {database} character set utf8mb4")
            self._made.append(database)
            run(f"use {database}")
            run("set foreign_key_checks = 0")
            for (table,) in run(f"show tables from {_PREFIX}{template}").all() if template else ():
                original = f"{_PREFIX}{template}.`{table}`"
                run(run(f"show create table {original}").one()[1])
                run(f"insert into `{table}` select * from {original}")
            connection.commit()
            connection.invalidate()  # it has a database and settings of its own
        return self._url.set(database=database, query={"charset": "utf8mb4"}).render_as_string(hide_password=False)

    def is_ready(self) -> bool:
        """Whether it answers."""
        try:
            self._engine.connect().close()
        except Exception:  # noqa: BLE001 - any driver's
            return False
        return True

    def close(self) -> None:
        """Remove the databases that were made."""
        with self._engine.connect() as connection:
            for database in self._made:
                connection.exec_driver_sql(f"drop database if exists {database}")
        self._engine.dispose()


@contextmanager
def server(folder: Path) -> Iterator[Server]:
    """Start a server with its data in ``folder``, unless one is given; stop it at the end."""
    if given := os.environ.get(GIVEN):
        running = Server(make_url(given))
        try:
            yield running
        finally:
            running.close()
        return
    data, port, program = folder / "data", free_port(), _program()
    assert program is not None
    folder.mkdir(parents=True)
    account = ["--user=root"] if os.geteuid() == 0 else []
    options = ["--no-defaults", f"--datadir={data}", *account]
    installs = [_INSTALLS, *options, "--auth-root-authentication-method=normal", "--skip-test-db"]
    subprocess.run(installs, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd="/")
    url = URL.create("mysql+mysqldb", username="tester", password=secrets.token_hex(), host="127.0.0.1", port=port)
    account_sql = folder / "account.sql"
    account_sql.write_text(
        f"create user tester@'%' identified by '{url.password}';\ngrant all on *.* to tester@'%';\n"
    )
    options += [f"--port={port}", "--bind-address=127.0.0.1", f"--socket={folder / 'socket'}"]
    options += ["--innodb-flush-log-at-trx-commit=0", "--max-connections=300", f"--init-file={account_sql}"]
    process = Process([program, *options], env=dict(os.environ), log=folder / "log", cwd=folder)
    try:
        running = Server(url)
        wait_until(running.is_ready, timeout=60, what="MariaDB", alive=process.alive)
        yield running
    finally:
        process.stop()

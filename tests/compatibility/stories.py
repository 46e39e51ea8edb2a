"""All stories, one after the other, beside the other tests."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.compatibility.environments import Version, find_python
from tests.compatibility.rolling_restart import rolling_restart
from tests.compatibility.story import Story
from tests.compatibility.telling import story
from tests.support import postgres


class Stories:
    """Tells each version's story once. One at a time: with the other tests they keep two cores busy.

    Args:
        server: for their databases.
        folder: for their files.
    """

    def __init__(self, server: postgres.Server, folder: Path) -> None:
        self._server, self._folder = server, folder
        self._pool = ThreadPoolExecutor(1)
        self._told: dict[Version, Future[Story]] = {}
        self._restart: Future[dict[str, Any]] | None = None

    def begin(self, versions: tuple[Version, ...], restart_on: str | None) -> None:
        """Start with those of these that this machine has a Python for.

        Args:
            versions: the Airflows.
            restart_on: URL of a migrated database for the rolling restart; None for none.
        """
        for version in reversed([v for v in versions if find_python(v.python)]):  # the longest first
            self._told[version] = self._pool.submit(self._tell, version)
        if restart_on is not None:
            self._restart = self._pool.submit(rolling_restart, self._folder / "rolling_restart", restart_on)

    def of(self, version: Version) -> Story:
        """What was seen on that version; raises what went wrong there."""
        return self._told[version].result()

    def restart(self) -> dict[str, Any]:
        """What was seen of the rolling restart; raises what went wrong there."""
        assert self._restart is not None
        return self._restart.result()

    def close(self) -> None:
        """Wait for those that still run."""
        self._pool.shutdown(cancel_futures=True)

    def _tell(self, version: Version) -> Story:
        name = version.name.replace(".", "_").replace("-", "_")
        with story(version, self._folder / name, self._server.create(f"story_{name}")) as told:
            return told

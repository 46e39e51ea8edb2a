"""What was seen on an Airflow of each version."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compatibility.environments import VERSIONS, Version, find_python
from tests.compatibility.stories import Stories
from tests.compatibility.story import Story
from tests.conftest import missing
from tests.support import postgres
from tests.support.migrated import Migrated


def need_python(version: Version) -> None:
    """Skip where there is no such Python; fail where nothing may be skipped."""
    if find_python(version.python) is None:
        missing(f"Python {version.python}", "pyenv, uv, or a package of the system")


@pytest.fixture(scope="package", autouse=True)
def _begun(request: pytest.FixtureRequest) -> None:
    """Begin with the first test of this folder; the load tests before it want the machine for themselves."""
    if any("stories" in getattr(item, "fixturenames", ()) for item in request.session.items):
        request.getfixturevalue("stories")


@pytest.fixture(scope="package")
def stories(
    request: pytest.FixtureRequest, folder: Path, postgres_server: postgres.Server, migrated: Migrated
) -> Iterator[Stories]:
    """What happens on each Airflow of ``tests/compatibility`` that a test of this run asks for, begun."""
    told = Stories(postgres_server, folder / "stories")
    items = request.session.items
    params = [one.callspec.params for one in items if hasattr(one, "callspec")]
    restarts = any("restart" in getattr(one, "fixturenames", ()) for one in items)
    told.begin(
        tuple(version for version in VERSIONS if any(given.get("told") == version for given in params)),
        migrated.on(postgres_server, "rolling_restart") if restarts else None,
    )
    try:
        yield told
    finally:
        told.close()


@pytest.fixture(params=VERSIONS, ids=lambda version: version.name)
def told(request: pytest.FixtureRequest, stories: Stories) -> Story:
    """The story of one version."""
    version: Version = request.param
    need_python(version)
    return stories.of(version)

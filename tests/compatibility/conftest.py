"""What was seen on an Airflow of each version."""

from __future__ import annotations

import pytest

from tests.compatibility.environments import VERSIONS, Version, find_python
from tests.compatibility.stories import Stories
from tests.compatibility.story import Story
from tests.conftest import missing


def need_python(version: Version) -> None:
    """Skip where there is no such Python; fail where nothing may be skipped."""
    if find_python(version.python) is None:
        missing(f"Python {version.python}", "pyenv, uv, or a package of the system")


@pytest.fixture(scope="session", autouse=True)
def _begun(request: pytest.FixtureRequest) -> None:
    """Begin with the first test of this folder; the load tests before it want the machine for themselves."""
    if any("stories" in getattr(item, "fixturenames", ()) for item in request.session.items):
        request.getfixturevalue("stories")


@pytest.fixture(params=VERSIONS, ids=lambda version: version.name)
def told(request: pytest.FixtureRequest, stories: Stories) -> Story:
    """The story of one version."""
    version: Version = request.param
    need_python(version)
    return stories.of(version)

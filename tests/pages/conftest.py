"""A server below a sub-path, with reviews, and people with browsers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import DAGS, need_chromium
from tests.pages.stage import People, Stage, open_chromium, stage_on
from tests.support.api_server import review_server
from tests.support.migrated import Migrated

PATH = "/airflow"
"""All pages are tested below a sub-path; the demo's test has Airflow at the root."""


@pytest.fixture(scope="package")
def stage(folder: Path, migrated: Migrated) -> Iterator[Stage]:
    """Reviews on an API server of two processes, on SQLite."""
    migrated.sqlite(folder / "pages", filled=True)
    settings = {"AIRFLOW__SCHEDULER__ALLOWED_RUN_ID_PATTERN": "(?s).*"}  # for hostile ids
    with (
        review_server(folder / "pages", DAGS, "", path=PATH, migrate=False, settings=settings) as server,
        stage_on(server) as running,
    ):
        yield running


@pytest.fixture(scope="module")
def _people(stage: Stage) -> Iterator[People]:
    chromium = need_chromium()
    with open_chromium(chromium) as running:
        yield People(stage, running)


@pytest.fixture
def people(_people: People) -> Iterator[People]:
    """People with browsers; no page may contact other machines, open a dialog or have a script error."""
    for seen in (_people.dialogs, _people.foreign, _people.errors):
        seen.clear()
    yield _people
    _people.close()
    assert _people.dialogs == []
    assert _people.foreign == []
    assert _people.errors == []

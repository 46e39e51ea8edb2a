"""The API behaves as its OpenAPI document says for any request: no server errors, no undeclared answers.

``HITL_FUZZ_SECONDS`` makes the run longer (``make fuzz SECONDS=600``), ``HITL_FUZZ_SEED`` changes the seed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.processes import PATIENCE
from tests.conftest import reviews_on
from tests.security.fuzzing import fuzz
from tests.security.routes import ROUTES, Kind, Right
from tests.support.api_server import ReviewServer

SECONDS = int(os.environ.get("HITL_FUZZ_SECONDS", "40"))
SEED = int(os.environ.get("HITL_FUZZ_SEED", "1"))
METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture(scope="module", params=[pytest.param("postgresql", marks=pytest.mark.postgres)])
def fuzzed_server(request: pytest.FixtureRequest, folder: Path) -> Iterator[ReviewServer]:
    """A separate server: the fuzzer decides every review it finds."""
    with reviews_on(request, folder, "fuzzed") as server:
        yield server


@pytest.fixture(scope="module")
def document(fuzzed_server: ReviewServer) -> dict[str, Any]:
    found: dict[str, Any] = fuzzed_server.call("GET", "/openapi.json").json()
    return found


def operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method.upper(), path): operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }


def test_each_route_declares_its_answers(document: dict[str, Any]) -> None:
    """The answers observed in ``docs/security.md``, plus those for too large bodies and other invalid input."""
    declared = {key: set(operation["responses"]) for key, operation in operations(document).items()}
    routes = {(route.method, route.path): route for route in ROUTES if route.method != "mount"}
    assert declared.keys() == routes.keys() - {("GET", "/openapi.json")}
    for key, statuses in declared.items():
        route = routes[key]
        seen = {route.kind.to(right).partition(",")[0] for right in Right}
        if route.kind is not Kind.OPEN:
            seen.add("422")
        if route.method == "POST":
            seen.add("413")
        assert seen <= statuses, key


def test_each_answer_has_a_schema(document: dict[str, Any]) -> None:
    for key, operation in operations(document).items():
        for status, answer in operation["responses"].items():
            if status.startswith("3"):
                assert "content" not in answer, (key, status)
                continue
            assert answer["content"], (key, status)
            for content in answer["content"].values():
                assert content["schema"], (key, status)


def test_links_refer_to_matching_routes(document: dict[str, Any]) -> None:
    known = operations(document)
    links = [
        link
        for operation in known.values()
        for answer in operation["responses"].values()
        for link in answer.get("links", {}).values()
    ]
    assert links
    for link in links:
        path, _, method = link["operationRef"].removeprefix("#/paths/").replace("~1", "\n").partition("/")
        target = known[method.upper(), path.replace("\n", "/")]
        assert link["parameters"].keys() <= {parameter["name"] for parameter in target["parameters"]}
        assert ("requestBody" in link) <= ("requestBody" in target)


@pytest.mark.timeout(SECONDS * 2 + 300)
def test_fuzzing_finds_no_failure(fuzzed_server: ReviewServer, tmp_path: Path) -> None:
    """Longer on a slow machine: its last phase, which follows links, needs time, too."""
    seconds, generated = SECONDS, 0
    while generated <= 100 and seconds <= SECONDS * PATIENCE:
        fuzzed = fuzz(fuzzed_server, tmp_path, seconds=seconds, seed=SEED)
        print(fuzzed.report)  # noqa: T201 - for pytest -s, as "make fuzz" runs it
        assert fuzzed.passed, fuzzed.report
        seconds, generated = seconds * 2, fuzzed.generated
    assert generated > 100
    ended = {"status": ["approved", "rejected", "changes_requested"], "include_ended": "true"}
    decided = fuzzed_server.call("GET", "/sessions", params=ended).json()["total_entries"]
    print(f"{generated} requests or more; {decided} reviews were decided.")  # noqa: T201
    assert decided, "nothing led the fuzzer to a review"
    log = (fuzzed_server.airflow.home / "api-server.log").read_text(encoding="utf-8", errors="replace")
    assert "Exception in ASGI application" not in log

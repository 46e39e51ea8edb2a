from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from hitl_notebook import Client, Connection
from tests.notebook.server import ReviewServer

HERE = "http://here.example:8080"
THERE = "http://there.example/airflow"
WITH_TOKEN = {"HITL_REVIEW_URL": HERE, "HITL_REVIEW_TOKEN": "env-token"}
WITH_USER = {"HITL_REVIEW_URL": HERE, "HITL_REVIEW_USERNAME": "ada", "HITL_REVIEW_PASSWORD": "env-password"}


def read(environment: dict[str, str], **given: Any) -> tuple[Any, ...]:
    found = Connection.from_environment(**given, environment=environment)
    return dataclasses.astuple(found)


@pytest.mark.parametrize(
    ("environment", "given", "expected"),
    [
        ({}, {}, (None, None, None, None)),
        (WITH_TOKEN, {}, (HERE, "env-token", None, None)),
        (WITH_USER, {}, (HERE, None, "ada", "env-password")),
        (WITH_TOKEN | WITH_USER, {}, (HERE, "env-token", None, None)),
        # arguments take precedence
        (WITH_TOKEN, {"token": "mine"}, (HERE, "mine", None, None)),
        (WITH_USER, {"token": "mine"}, (HERE, "mine", None, None)),
        (WITH_TOKEN, {"username": "bob", "password": "b"}, (HERE, None, "bob", "b")),
        (WITH_USER, {"username": "ada", "password": "b"}, (HERE, None, "ada", "b")),
        (WITH_USER, {"password": "b"}, (HERE, None, "ada", "b")),
        (WITH_USER, {"username": "ada"}, (HERE, None, "ada", "env-password")),
        ({"HITL_REVIEW_PASSWORD": "p"}, {"url": HERE, "username": "bob"}, (HERE, None, "bob", "p")),
        # credentials that belong together are not mixed
        (WITH_USER, {"username": "bob"}, (HERE, None, "bob", None)),
        (WITH_TOKEN, {"username": "bob"}, (HERE, None, "bob", None)),
        (WITH_TOKEN, {"url": THERE}, (THERE, None, None, None)),
        (WITH_USER, {"url": THERE}, (THERE, None, None, None)),
        (WITH_USER, {"url": THERE, "username": "ada"}, (THERE, None, "ada", None)),
        (WITH_USER, {"url": f"{HERE}/"}, (HERE, None, "ada", "env-password")),
        ({"HITL_REVIEW_TOKEN": "t"}, {"url": THERE}, (THERE, "t", None, None)),
        # empty counts as not set
        (dict.fromkeys(WITH_TOKEN | WITH_USER, " "), {"password": ""}, (None, None, None, " ")),
        (WITH_USER, {"url": "", "username": "", "token": ""}, (HERE, None, "ada", "env-password")),
    ],
)
def test_arguments_take_precedence_over_environment(
    environment: dict[str, str], given: dict[str, str], expected: tuple[str | None, ...]
) -> None:
    assert read(environment, **given) == (*expected, None)


@pytest.mark.parametrize(
    ("environment", "given", "expected"),
    [
        ({}, {}, None),
        ({"HITL_REVIEW_URL_PREFIX": " reviews/ "}, {}, "/reviews"),
        ({"HITL_REVIEW_URL_PREFIX": "/reviews"}, {"url_prefix": "/others"}, "/others"),
        ({"HITL_REVIEW_URL": "http://a", "HITL_REVIEW_URL_PREFIX": "/reviews"}, {"url": "http://a/"}, "/reviews"),
        ({"HITL_REVIEW_URL": "http://a", "HITL_REVIEW_URL_PREFIX": "/reviews"}, {"url": "http://b"}, None),
    ],
)
def test_url_prefix(environment: dict[str, str], given: dict[str, str], expected: str | None) -> None:
    assert read(environment, **given)[-1] == expected


@pytest.mark.parametrize("prefix", ["/", "/a/b", "/a b", "/..", "/ä", "?"])
def test_invalid_url_prefix(prefix: str) -> None:
    with pytest.raises(ValueError, match="url_prefix must be one path segment"):
        read({"HITL_REVIEW_URL_PREFIX": prefix})


@pytest.mark.parametrize(
    ("fields", "missing"),
    [
        ({"url": HERE, "token": "t"}, ""),
        ({"url": HERE, "username": "ada", "password": "p"}, ""),
        ({"url": HERE, "username": "ada"}, "the password of 'ada'"),
        ({"url": HERE, "password": "p"}, "a user name"),
        ({"url": HERE}, "a token"),
        ({"token": "t"}, "the address"),
        ({}, "the address of the API server (url, or HITL_REVIEW_URL); a token"),
    ],
)
def test_missing_fields_are_named(fields: dict[str, str], missing: str) -> None:
    connection = Connection(**fields)
    assert connection.missing.startswith(missing)
    assert connection.complete is (missing == "")
    if missing:
        with pytest.raises(ValueError, match="Not enough to connect") as error:
            Client.connect(connection)
        assert missing in str(error.value)
    else:
        assert Client.connect(connection).url == HERE


@pytest.mark.parametrize("url", ["airflow:8080", "http://ada:s3cret@host", "ada:s3cret@host", "http://a:s3cret @h"])
def test_invalid_url_is_rejected_immediately(url: str) -> None:
    for given, environment in ((url, {}), (None, {"HITL_REVIEW_URL": url})):
        with pytest.raises(ValueError, match=r"url") as error:
            Connection.from_environment(given, environment=environment)
        assert "s3cret" not in str(error.value)


def test_repr_hides_secrets() -> None:
    connections = [Connection(HERE, token="s3cret"), Connection("http://ada:s3cret@host", None, "ada", "s3cret")]
    for connection in connections:
        assert "s3cret" not in f"{connection!r} {connection} {connection.missing}"
    assert "s3cret" not in str(vars(connections[0]))
    assert repr(connections[0]) == f"Connection(url='{HERE}', username=None, token=<hidden>)"
    assert connections[1].password == "s3cret"
    assert connections[0] != connections[1]
    with pytest.raises(dataclasses.FrozenInstanceError):
        connections[0].token = "other"  # type: ignore[misc]


def test_client_from_environment(server: ReviewServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in WITH_TOKEN | WITH_USER:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValueError, match="HITL_REVIEW_URL"):
        Client.from_environment()
    monkeypatch.setenv("HITL_REVIEW_URL", server.url)
    monkeypatch.setenv("HITL_REVIEW_USERNAME", "ada")
    monkeypatch.setenv("HITL_REVIEW_PASSWORD", "ada-password")
    review = (client := Client.from_environment(channel="notebook")).find(server.add())
    assert client.username == "ada"
    assert client.approve(review).status == "approved"
    assert server.asked("/hitl-review/sessions/approve")[0].body["channel"] == "notebook"
    assert Client.from_environment(token="t").username is None

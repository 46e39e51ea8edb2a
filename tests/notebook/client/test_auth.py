from __future__ import annotations

import base64
import threading
import time

import pytest

from hitl_notebook import AuthenticationError, Client, ServerError
from hitl_notebook.client.auth import RENEW_BEFORE, Bearer, Secret, TokenSource, expiry_of, subject_of
from tests.notebook.server import ReviewServer, jwt


class Clock:
    """A clock that is set manually."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("token", "username", "password"),
    [
        (None, None, None),
        (None, "ada", None),
        (None, None, "p"),
        ("t", "ada", "p"),
        ("t", "ada", None),
        ("", "", ""),
    ],
)
def test_incomplete_or_conflicting_credentials(
    token: str | None, username: str | None, password: str | None
) -> None:
    for make in (TokenSource, Client):
        with pytest.raises(ValueError, match=r"token|username"):
            make("http://host", token=token, username=username, password=password)


def test_a_token_is_renewed_before_it_expires(server: ReviewServer) -> None:
    clock = Clock()
    source = TokenSource(server.url, username="ada", password="ada-password", clock=clock)
    first = source.get()
    expires_at = expiry_of(first)
    assert expires_at is not None
    clock.now = expires_at - RENEW_BEFORE - 1
    assert source.get() == first
    clock.now = expires_at - RENEW_BEFORE + 1
    assert source.get() != first
    assert [s.body for s in server.asked("/auth/token")] == [{"username": "ada", "password": "ada-password"}] * 2


def test_a_given_token_is_used_until_it_expires() -> None:
    clock = Clock()
    token = jwt("ada", clock.now + 10)
    source = TokenSource("http://unused.invalid", token=token, clock=clock)
    source.forget(token)
    assert source.get() == token
    clock.now += 10
    with pytest.raises(AuthenticationError, match="has expired"):
        source.get()


def test_only_the_rejected_token_is_discarded(server: ReviewServer) -> None:
    source = TokenSource(server.url, username="ada", password="ada-password")
    first = source.get()
    source.forget("another")
    assert source.get() == first
    source.forget(first)
    second = source.get()
    source.forget(first)
    assert source.get() == second != first


def test_threads_share_one_token(server: ReviewServer) -> None:
    source = TokenSource(server.url, username="ada", password="ada-password")
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(source.get())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(found) == 8
    assert len(set(found)) == 1
    assert len(server.asked("/auth/token")) == 1


def test_wrong_password(server: ReviewServer) -> None:
    with pytest.raises(AuthenticationError, match=r"username and password \('ada'\)") as error:
        Client(server.url, username="ada", password="wrong-one").sessions()
    assert "wrong-one" not in str(error.value)


@pytest.mark.parametrize(
    ("status", "body"), [(404, "Not Found"), (200, "<html>"), (200, "[]"), (201, "{}"), (500, "null")]
)
def test_unexpected_token_response(server: ReviewServer, status: int, body: str) -> None:
    server.broken["/auth"] = (status, "application/json", body)
    with pytest.raises(ServerError, match="Check that this is Airflow's API server"):
        TokenSource(server.url, username="ada", password="ada-password").get()


def test_password_is_not_sent_to_redirect_target(server: ReviewServer, outdated: ReviewServer) -> None:
    server.moved["/auth"] = f"{outdated.url}/auth/token"
    with pytest.raises(ServerError, match=f"redirects to {outdated.url}: start the address with that"):
        TokenSource(server.url, username="ada", password="ada-password").get()
    assert outdated.seen == []


def test_secret_is_hidden_in_repr() -> None:
    secret = Secret("s3cret")
    assert (secret, f"{secret}", len(secret)) == ("s3cret", "s3cret", 6)
    assert "s3cret" not in repr([secret, {"a": secret}, vars(Bearer("s3cret"))])


def _token(claims: str) -> str:
    return f"h.{base64.urlsafe_b64encode(claims.encode()).decode().rstrip('=')}.s"


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        (_token('{"exp": 12}'), 12.0),
        (_token('{"exp": 12.5, "sub": "ü??>>"}'), 12.5),
        (_token('{"sub": "1"}'), None),
        (_token('{"exp": null}'), None),
        (_token('{"exp": "soon"}'), None),
        (_token("[1]"), None),
        ("a.!.c", None),
        ("a.ü.c", None),
        ("a..c", None),
        ("opaque", None),
        ("", None),
    ],
)
def test_expiry_of(token: str, expected: float | None) -> None:
    assert expiry_of(token) == expected


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        (_token('{"exp": 12, "sub": "ü??>>"}'), "ü??>>"),
        (_token('{"sub": 7}'), "7"),
        (_token('{"sub": ""}'), None),
        (_token('{"sub": ["1"]}'), None),
        (_token('{"exp": 12}'), None),
        (_token("[1]"), None),
        ("a.!.c", None),
        ("opaque", None),
    ],
)
def test_subject_of(token: str, expected: str | None) -> None:
    assert subject_of(token) == expected

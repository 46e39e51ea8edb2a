"""Error messages name whatever answered instead of Airflow, and untrusted certificates."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hitl_notebook import Client
from hitl_notebook.errors import ConnectionFailedError, HITLNotebookError, ServerError
from tests.notebook.fixed_server import answering
from tests.support.private_authority import VARIABLES, make_certificate

HEALTHY = b'{"sessions": [], "total_entries": 0, "waiting": 0, "dag_ids": []}'


JSON = {"Content-Type": "application/json"}
HTML = {"Content-Type": "text/html"}


@pytest.mark.parametrize(
    ("status", "headers", "words"),
    [
        (
            301,
            {"Location": "https://127.0.0.1:8443/hitl-review"},
            "127.0.0.1:8443/hitl-review: give the address with https://",
        ),
        (
            302,
            {"Location": "https://sso.example.org/login?next=x"},
            "redirects to https://sso.example.org/login: perhaps to a single sign-on",
        ),
        (302, {"Location": "/airflow/home"}, "/airflow/home: perhaps"),
        (302, {"Location": "/login", "Server": "TornadoServer/6.4"}, "That is a Jupyter server"),
        (403, HTML | {"Server": "squid"}, "A web page came with status 403 (squid): something in front of Airflow"),
        (401, HTML, "A web page came with status 401: something in front of Airflow"),
        (404, HTML | {"Server": "TornadoServer/6.4"}, "That is a Jupyter server"),
    ],
)
def test_error_names_what_answered_instead_of_airflow(status: int, headers: dict[str, str], words: str) -> None:
    with answering(status, b"<html>no</html>", JSON | headers) as url:
        for client in (Client(url, token="t"), Client(url, username="ada", password="known")):
            with pytest.raises(ServerError) as error:
                client.sessions()
            assert f"{url}" in str(error.value)
            assert words in str(error.value)
            assert "known" not in str(error.value)
            assert "username" not in str(error.value)


def test_redirect_to_invalid_url_is_reported() -> None:
    with answering(302, HEALTHY, JSON | {"Location": "http://[bad"}) as url:
        for client in (Client(url, token="t"), Client(url, username="ada", password="known")):
            with pytest.raises(ConnectionFailedError, match="it redirects to an invalid URL"):
                client.sessions()


@pytest.fixture
def private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Path]]:
    """A server with a certificate from a private CA, and the CA's file."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    path, context = make_certificate(tmp_path)
    with answering(200, HEALTHY, JSON, tls=context) as url:
        yield url, path


def clients(url: str) -> list[Client]:
    return [Client(url, token="t"), Client(url, username="ada", password="known")]


def test_untrusted_certificate_error_says_what_to_do(private: tuple[str, Path]) -> None:
    url, _ = private
    for client in clients(url):
        with pytest.raises(ConnectionFailedError) as error:
            client.sessions()
        assert f"No answer from {url}: its certificate is not trusted here" in str(error.value)
        assert "REQUESTS_CA_BUNDLE or SSL_CERT_FILE" in str(error.value)


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_private_ca_from_environment(private: tuple[str, Path], monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    url, path = private
    monkeypatch.setenv(name, str(path))
    assert Client(url, token="t").sessions().total_entries == 0


@pytest.mark.parametrize("name", VARIABLES)
def test_missing_ca_file_error_names_the_variable(
    private: tuple[str, Path], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    url, _ = private
    monkeypatch.setenv(name, "/gone")
    for client in clients(url):
        with pytest.raises(ConnectionFailedError, match=f"the file in {name} cannot be read as certificates"):
            client.sessions()


@pytest.mark.parametrize("given", ["localhost:{port}", "127.0.0.1:{port}/", "LOCALHOST:{port}"])
def test_localhost_defaults_to_http(given: str) -> None:
    with answering(200, HEALTHY, JSON) as url:
        client = Client(given.format(port=url.rpartition(":")[2]), token="t")
        assert client.url.startswith("http://")
        assert client.sessions().total_entries == 0


@pytest.mark.parametrize("given", ["airflow:8080", "airflow.example.org", "localhost.example.org:8080"])
def test_remote_host_needs_a_scheme(given: str) -> None:
    with pytest.raises(ValueError, match="such as http://localhost:8080 or https://airflow"):
        Client(given, token="t")


def test_trailing_newline_of_password_is_stripped() -> None:
    body = b'{"access_token": "t"}'
    seen: list[str] = []
    with answering(201, body, JSON) as url:
        client = Client(url, username="ada", password="known\n")
        assert client._tokens._credentials == ("ada", "known")
        with pytest.raises(HITLNotebookError) as error:  # the server answers every request the same
            client.sessions()
        seen.append(str(error.value))
    assert "username" not in seen[0]

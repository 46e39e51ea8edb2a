"""Secrets of an endpoint appear in no error or log, even if the receiver or a library quotes them."""

from __future__ import annotations

import base64
import logging
import re
from pathlib import Path
from urllib.parse import quote

import httpcore
import httpx
import pytest
import respx

from hitl_webhooks import Attempt, Endpoint, generate_secret
from hitl_webhooks.send.delivery import attempt, open_client
from hitl_webhooks.send.log_redaction import _LOGGERS
from tests.webhooks.send.test_addresses import run, serving

SECRET = generate_secret()
BODY = b'{"type":"t","timestamp":"t","data":{}}'
USER, PASSWORD, HEADER, PATH, TOKEN = "known-user", "known/pass", "knownHeaderToken", "known path", "kno+wn"
PARTS = {
    "a header's value": f"Bearer {HEADER}",
    "the token of a header": HEADER,
    "part of the path, as it was given": PATH,
    "part of the path, as it is sent": quote(PATH),
    "a value of the query": TOKEN,
    "a value of the query, as it is read": TOKEN.replace("+", " "),
    "the user": USER,
    "the password, as it was given": quote(PASSWORD, safe=""),
    "the password": PASSWORD,
    "user and password, as they are sent": base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode(),
    "the signing secret": SECRET,
    "the signing secret without its prefix": SECRET.removeprefix("whsec_"),
}


def endpoint(port: int) -> Endpoint:
    url = f"http://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{port}/services/{PATH}/hook?v=1&token={TOKEN}"
    return Endpoint("mine", url, (SECRET,), headers={"x-api-key": f"Bearer {HEADER}"})


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_secrets_quoted_by_the_receiver_are_hidden(part: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def main() -> None:
        answer = f"HTTP/1.1 401 Bad {part}\r\nx-quoted: {part}\r\ncontent-length: 0\r\n\r\n".encode()
        async with serving(answer=answer) as server, open_client() as client:
            done = await attempt(client, endpoint(server.port), "id", BODY)
        assert (done.status_code, done.error) == (
            401,
            "answered 401 Bad ***: does the receiver have this endpoint's secret?",
        )

    run(main())
    assert not [known for known in PARTS.values() if known in caplog.text]


@pytest.mark.parametrize("kind", [httpx.ConnectError, httpx.RemoteProtocolError, ValueError, OSError])
def test_secrets_quoted_in_exceptions_are_hidden(kind: type[Exception]) -> None:
    at = endpoint(9)
    made: list[Attempt] = []

    async def main() -> None:
        with respx.mock() as router:
            router.post(url__startswith="http://127.0.0.1:9/").mock(
                side_effect=kind(f"{at.url} {httpx.URL(at.url)!s} {'; '.join(PARTS.values())}")
            )
            async with httpx.AsyncClient() as client:
                made.append(await attempt(client, at, "id", BODY))

    run(main())
    error = made[0].error or ""
    assert error.startswith(f"{kind.__name__}: ***")
    assert "kn" not in error
    assert SECRET[-20:] not in error


def test_ordinary_words_are_not_hidden() -> None:
    """Words of a path and a header: an error must still say what is wrong."""
    at = Endpoint("mine", "https://example.org/hook/v1?v=1", headers={"authorization": "Bearer x"})
    said = "answered 404 Not Found: no hook v1 at example.org, Bearer wanted"
    assert at.without_secrets(said) == said


def test_all_http_client_loggers_are_silenced() -> None:
    sources = [*Path(httpx.__file__).parent.rglob("*.py"), *Path(httpcore.__file__).parent.rglob("*.py")]
    named = re.compile(r'logging\.getLogger\("([^"]+)"\)')
    loggers = {name for path in sources for name in named.findall(path.read_text(encoding="utf-8"))}
    assert loggers
    assert loggers == set(_LOGGERS)

"""Where webhooks may go: each row of the table in ``docs/security.md``, tried with real servers."""

from __future__ import annotations

import socket
from pathlib import Path

import httpx
import pytest

from hitl_webhooks import Attempt, Endpoint, InvalidEndpointError
from hitl_webhooks.send.addresses import Address, PublicAddressTransport, is_public, look_up
from hitl_webhooks.send.delivery import attempt, open_client
from tests.support import seen_in_docs
from tests.webhooks.destinations import CASES, PRIVATE, PUBLIC, REDIRECTING, Alone, Blocked, Case
from tests.webhooks.send.test_addresses import resolving, run, serving

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "security.md"
BEGIN, END = "<!-- measured: where webhooks may go -->", "<!-- end of where webhooks may go -->"
BODY = b'{"type":"t","timestamp":"t","data":{}}'

EACH_URL = [pytest.param(case, url, id=url) for case in CASES for url in case.urls]
TAKEN = [pytest.param(case, url, id=url) for case in CASES for url in case.urls if case.alone != "refused"]


def taken(url: str) -> Alone:
    """Whether an endpoint accepts the URL, with https and with http."""
    schemes = [url] if ":/" in url or url.startswith("/") else [f"https://{url}/", f"http://{url}/"]
    answers = []
    for one in schemes:
        try:
            Endpoint("mine", one)
        except InvalidEndpointError:
            answers.append(False)
        else:
            answers.append(True)
    return "http, too" if all(answers) else "https only" if answers[0] else "refused"


@pytest.mark.parametrize(("case", "url"), EACH_URL)
def test_destinations_by_default(case: Case, url: str) -> None:
    assert taken(url) == case.alone


@pytest.mark.parametrize(("case", "url"), TAKEN)
def test_destinations_with_private_addresses_blocked(case: Case, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with serving(address=PRIVATE) as private:
            location = f"location: http://{PRIVATE}:{private.port}/\r\n" if url == REDIRECTING else ""
            status = "307 There" if location else "200 OK"
            answer = f"HTTP/1.1 {status}\r\n{location}content-length: 0\r\n\r\n".encode()
            async with serving(address=PUBLIC, port=private.port, answer=answer) as public:
                endpoint = Endpoint("mine", f"http://{url}:{private.port}/", allow_http=True)
                resolve, asked = resolving(*case.answers) if case.answers else (look_up, [])
                transport = PublicAddressTransport(resolve=resolve, is_allowed=public_here)
                async with httpx.AsyncClient(transport=transport) as client:
                    done = await attempt(client, endpoint, "id", BODY, timeout=5)
        assert outcome(done) == case.blocked, done
        assert private.connections == 0
        assert public.connections == (1 if case.blocked in ("sent", "not followed") else 0)
        assert len(asked) == (1 if case.answers else 0)

    if case.answers:
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("looked up once more"))
    run(main())


def public_here(address: Address) -> bool:
    """The real check, except for the one address that stands for all public ones."""
    return str(address) == PUBLIC or is_public(address)


def outcome(done: Attempt) -> Blocked:
    if done.error is None:
        return "sent"
    if "redirects are not followed" in done.error:
        return "not followed"
    if done.error.startswith("PrivateAddressError: "):
        return "refused"
    assert done.error.startswith(("InvalidURL: ", "ConnectError: ")), done.error
    return "no such host"


def test_real_client_blocks_private_addresses() -> None:
    """``open_client`` with nothing replaced: the literal addresses of the table that are refused."""
    refused = [case for case in CASES if case.blocked == "refused" and case.alone != "refused"]
    literal = [url for case in refused if not case.answers for url in case.urls]
    assert len(literal) > 30

    async def main() -> None:
        async with open_client(block_private_addresses=True) as client:
            for url in literal:
                endpoint = Endpoint("mine", f"http://{url}:9/", allow_http=True)
                done = await attempt(client, endpoint, "id", BODY, timeout=5)
                assert (done.error or "").startswith("PrivateAddressError: "), (url, done)

    run(main())


@pytest.mark.parametrize("blocked", [False, True])
def test_environment_proxies(blocked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are used unless private addresses are blocked: then the request is not sent, not even to a proxy."""

    async def main() -> None:
        async with serving() as proxy:
            for name in ("http_proxy", "https_proxy", "all_proxy"):
                monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
                monkeypatch.delenv(name.upper(), raising=False)
            for name in ("no_proxy", "NO_PROXY"):
                monkeypatch.delenv(name, raising=False)
            async with open_client(block_private_addresses=blocked) as client:
                endpoint = Endpoint("mine", "http://10.0.0.1/", allow_http=True)
                done = await attempt(client, endpoint, "id", BODY, timeout=5)
            assert proxy.connections == (0 if blocked else 1)
            assert (done.error is None) == (not blocked)

    run(main())


def test_table_in_the_docs() -> None:
    head = ["where it leads", "for example", "by itself", "with `webhook_block_private_addresses`"]
    rows = [head, ["---"] * len(head)]
    for case in CASES:
        shown = ", ".join(f"`{url}`" for url in case.urls)
        rows.append([case.what, shown, case.alone, case.blocked])
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in rows)
    seen_in_docs.check(DOCUMENT, BEGIN, END, table, renew="tests/webhooks/send/test_destinations.py")

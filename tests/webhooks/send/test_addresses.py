"""Only public addresses are connected to, whatever the URL, the name server and the responses contain."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from hitl_webhooks import Endpoint, HITLWebhookError, PrivateAddressError
from hitl_webhooks.send.addresses import (
    Address,
    PublicAddressTransport,
    Resolve,
    is_public,
    look_up,
)
from hitl_webhooks.send.delivery import attempt

PUBLIC = [
    *["1.1.1.1", "8.8.8.8", "93.184.215.14", "100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.0"],
    *["192.0.1.1", "192.167.255.255", "198.17.255.255", "223.255.255.255"],
    *["2606:4700:4700::1111", "2001:4860:4860::8888", "2a00:1450:4001:82a::200e"],
    *["::ffff:8.8.8.8", "64:ff9b::808:808"],  # the same hosts, as seen through IPv6
]
NOT_PUBLIC = [
    # IPv4
    *["0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.0", "100.64.0.1", "100.100.100.200"],
    *["100.127.255.255", "127.0.0.1", "127.255.255.254", "168.63.129.16", "169.254.0.1", "169.254.169.254"],
    *["172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.0.1"],
    *["198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1"],
    "255.255.255.255",
    # IPv6
    *["::", "::1", "::2", "100::1", "2001::1", "2001:2::1", "2001:10::1", "2001:20::1", "2001:db8::1", "3fff::1"],
    *["4000::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "ff0e::1"],
    # IPv4 inside IPv6
    *[
        "::127.0.0.1",
        "::8.8.8.8",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:0.0.0.0",
    ],
    *["::ffff:0:127.0.0.1", "::ffff:0:8.8.8.8", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::808:808"],
    *["2002:7f00:1::", "2002:a9fe:a9fe::1", "2002:808:808::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2"],
]


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(main, 20))


def resolving(*answers: Sequence[str] | Exception) -> tuple[Resolve, list[str]]:
    """A resolver that gives these answers in turn, then repeats the last; and the hosts it was asked for."""
    asked: list[str] = []

    async def resolve(host: str) -> Sequence[str]:
        answer = answers[min(len(asked), len(answers) - 1)]
        asked.append(host)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return resolve, asked


def allowing(*addresses: str) -> Callable[[Address], bool]:
    return lambda address: str(address) in addresses


class Server:
    """A server on loopback that records what it receives."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.port = 0
        self.connections = 0
        self.server_names: list[str | None] = []
        self.requests: list[bytes] = []

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next((int(v) for n, v in fields(head) if n == "content-length"), 0)
                self.requests.append(head + await reader.readexactly(length))
                writer.write(self.answer)
                await writer.drain()
        writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()

    def host_headers(self) -> list[str]:
        return [value for request in self.requests for name, value in fields(request) if name == "host"]


def fields(request: bytes) -> list[tuple[str, str]]:
    lines = request.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    return [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]


@asynccontextmanager
async def serving(
    tls: ssl.SSLContext | None = None,
    *,
    address: str = "127.0.0.1",
    port: int = 0,
    answer: bytes = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
) -> AsyncIterator[Server]:
    server = Server(answer)
    if tls is not None:

        def note(_: ssl.SSLObject, name: str | None, __: ssl.SSLContext) -> None:
            server.server_names.append(name)

        tls.sni_callback = note
    listening = await asyncio.start_server(server.handle, address, port, ssl=tls)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        await asyncio.sleep(0.02)  # for the handlers to notice that the other end has disconnected


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for hooks.example and other.example, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hitl-notebook tests")])
    now = datetime.now(timezone.utc)
    names = x509.SubjectAlternativeName([x509.DNSName("hooks.example"), x509.DNSName("other.example")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    path.write_bytes(private + made.public_bytes(pem))
    return path


@pytest.fixture
def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def trusting(certificate: Path) -> ssl.SSLContext:
    """Checks certificates as usual and trusts the self-signed one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(certificate)
    return context


# --- Public and private addresses ---


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_private_addresses(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    ("host", "message"),
    [
        ("127.0.0.1", "127.0.0.1 is not a public address"),
        ("10.0.0.1", "10.0.0.1 is not a public address"),
        ("169.254.169.254", "169.254.169.254 is not a public address"),
        ("100.64.0.1", "100.64.0.1 is not a public address"),
        ("0.0.0.0", "0.0.0.0 is not a public address"),
        ("0", "0 is at 0.0.0.0: not a public address"),
        ("2130706433", "2130706433 is at 127.0.0.1: not a public address"),
        ("017700000001", "017700000001 is at 127.0.0.1: not a public address"),
        ("0x7f.1", "0x7f.1 is at 127.0.0.1: not a public address"),
        ("0x7f000001", "0x7f000001 is at 127.0.0.1: not a public address"),
        ("127.1", "127.1 is at 127.0.0.1: not a public address"),
        ("2852039166", "2852039166 is at 169.254.169.254: not a public address"),
        ("[::]", ":: is not a public address"),
        ("[::1]", "::1 is not a public address"),
        ("[::ffff:127.0.0.1]", "not a public address"),
        ("[::ffff:7f00:1]", "not a public address"),
        ("[64:ff9b::7f00:1]", "64:ff9b::7f00:1 is not a public address"),
        ("[2002:7f00:1::]", "2002:7f00:1:: is not a public address"),
        ("[fc00::1]", "fc00::1 is not a public address"),
        ("[fe80::1]", "fe80::1 is not a public address"),
        ("localhost", "localhost is at .*: not a public address"),
        ("LOCALHOST", "localhost is at .*: not a public address"),
    ],
)
def test_urls_with_private_hosts_are_refused(host: str, message: str) -> None:
    async def main() -> None:
        async with httpx.AsyncClient(transport=PublicAddressTransport()) as client:
            with pytest.raises(PrivateAddressError, match=message):
                await client.post(f"http://{host}:9/", content=b"x")

    run(main())


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "fc00::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_name_with_private_address_is_refused(scheme: str, address: str) -> None:
    async def main() -> None:
        transport = PublicAddressTransport(resolve=resolving([address])[0])
        async with httpx.AsyncClient(transport=transport) as client:
            with pytest.raises(PrivateAddressError, match=r"^hooks\.example is at .*: not a public address$"):
                await client.get(f"{scheme}://hooks.example/")

    run(main())


def test_name_without_address() -> None:
    async def main() -> None:
        async with httpx.AsyncClient(transport=PublicAddressTransport(resolve=resolving([])[0])) as client:
            with pytest.raises(PrivateAddressError, match=r"^hooks\.example has no address$"):
                await client.get("http://hooks.example/")

    run(main())


def test_refused_server_is_not_contacted_and_log_has_the_reason() -> None:
    async def main() -> None:
        async with serving() as server, httpx.AsyncClient(transport=PublicAddressTransport()) as client:
            endpoint = Endpoint("mine", f"http://127.0.0.1:{server.port}/hook")
            made = await attempt(client, endpoint, "id", b'{"type":"t","timestamp":"t","data":{}}')
        assert server.connections == 0
        assert (made.status_code, made.error) == (None, "PrivateAddressError: 127.0.0.1 is not a public address")

    run(main())
    assert issubclass(PrivateAddressError, HITLWebhookError)


# --- Connections go to the checked address ---


def test_dns_rebinding_is_prevented(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with serving() as public, serving(address="127.0.0.2", port=public.port) as private:
            resolve, asked = resolving(["127.0.0.1"], ["127.0.0.2"])
            transport = PublicAddressTransport(resolve=resolve, is_allowed=allowing("127.0.0.1"))
            monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("looked up once more"))
            async with httpx.AsyncClient(transport=transport) as client:
                url = f"http://hooks.example:{public.port}/"
                assert (await client.post(url, content=b"first")).text == "ok"
                assert asked == ["hooks.example"]
                with pytest.raises(PrivateAddressError):  # the next request is checked, too, not sent as before
                    await client.post(url, content=b"second")
        assert asked == ["hooks.example"] * 2
        assert (public.connections, private.connections) == (1, 0)
        assert public.host_headers() == [f"hooks.example:{public.port}"]
        assert public.requests[0].endswith(b"\r\n\r\nfirst")

    run(main())


@pytest.mark.parametrize("answer", [["127.0.0.2", "127.0.0.1"], ["127.0.0.1", "127.0.0.2"], ["127.0.0.2", "::1"]])
def test_only_allowed_addresses_of_a_mixed_answer_are_used(answer: list[str]) -> None:
    async def main() -> None:
        async with serving() as public, serving(address="127.0.0.2", port=public.port) as private:
            allowed = allowing("127.0.0.1", "::1")
            transport = PublicAddressTransport(resolve=resolving(answer)[0], is_allowed=allowed)
            async with httpx.AsyncClient(transport=transport) as client:
                url = f"http://hooks.example:{public.port}/path?q=1"
                if "127.0.0.1" in answer:
                    response = await client.get(url)
                    assert (response.text, str(response.url)) == ("ok", url)
                    assert public.requests[0].startswith(b"GET /path?q=1 HTTP/1.1\r\n")
                else:  # the only allowed address refuses: the other one must not be used
                    with pytest.raises(httpx.ConnectError):
                        await client.get(url)
        assert private.connections == 0

    run(main())


def to_loopback(trusting: ssl.SSLContext) -> PublicAddressTransport:
    """A transport for which every name resolves to this machine."""
    resolve, _ = resolving(["127.0.0.1"])
    return PublicAddressTransport(verify=trusting, resolve=resolve, is_allowed=allowing("127.0.0.1"))


def test_tls_uses_the_host_name(server_tls: ssl.SSLContext, trusting: ssl.SSLContext) -> None:
    async def main() -> None:
        async with serving(server_tls) as server:
            transport = to_loopback(trusting)
            async with httpx.AsyncClient(transport=transport) as client:
                for host in ("hooks.example", "hooks.example", "other.example"):
                    response = await client.post(f"https://{host}:{server.port}/", content=b"x")
                    assert response.text == "ok"
                # The certificate is not for this name, although a connection to its address just succeeded.
                for host in ("wrong.example", "127.0.0.1"):
                    with pytest.raises(httpx.ConnectError, match=r"CERTIFICATE_VERIFY_FAILED.*mismatch"):
                        await client.post(f"https://{host}:{server.port}/", content=b"x")
        assert server.server_names == ["hooks.example", "hooks.example", "other.example", "wrong.example", None]
        assert server.host_headers() == [f"{n}.example:{server.port}" for n in ("hooks", "hooks", "other")]

    run(main())


def test_names_with_the_same_address_share_no_connection(
    server_tls: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    async def main() -> None:
        async with serving(server_tls) as server:
            transport = to_loopback(trusting)
            async with httpx.AsyncClient(transport=transport) as client:
                hosts = ["hooks.example", "wrong.example"] * 10
                got = await asyncio.gather(
                    *(client.get(f"https://{host}:{server.port}/") for host in hosts), return_exceptions=True
                )
        for host, result in zip(hosts, got, strict=True):
            assert isinstance(result, httpx.Response if host == "hooks.example" else httpx.ConnectError)
        assert len(server.requests) == server.connections == 10

    run(main())


def test_untrusted_certificate_is_refused(server_tls: ssl.SSLContext) -> None:
    async def main() -> None:
        async with serving(server_tls) as server:
            transport = PublicAddressTransport(
                resolve=resolving(["127.0.0.1"])[0], is_allowed=allowing("127.0.0.1")
            )
            async with httpx.AsyncClient(transport=transport) as client:
                with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                    await client.get(f"https://hooks.example:{server.port}/")
        assert server.requests == []

    run(main())


# --- Addresses that do not answer ---


def test_next_address_is_tried() -> None:
    async def main() -> None:
        async with serving() as server:
            answer = ["127.0.0.4", "127.0.0.3", "127.0.0.1"]
            transport = PublicAddressTransport(resolve=resolving(answer)[0], is_allowed=allowing(*answer))
            async with httpx.AsyncClient(transport=transport) as client:
                assert (await client.post(f"http://hooks.example:{server.port}/", content=b"x")).text == "ok"

    run(main())


def test_hanging_address_leaves_time_for_the_next(server_tls: ssl.SSLContext, trusting: ssl.SSLContext) -> None:
    async def main() -> None:
        # The first accepts the connection but never starts TLS.
        async with serving(server_tls) as server, serving(address="127.0.0.2", port=server.port):
            answer = ["127.0.0.2", "127.0.0.1"]
            transport = PublicAddressTransport(
                verify=trusting, resolve=resolving(answer)[0], is_allowed=allowing(*answer)
            )
            async with httpx.AsyncClient(transport=transport, timeout=3.0) as client:
                start = time.monotonic()
                assert (await client.get(f"https://hooks.example:{server.port}/")).text == "ok"
                assert 1.2 < time.monotonic() - start < 2.9

    run(main())


def test_number_of_tried_addresses_is_limited() -> None:
    tried: list[str] = []

    async def main() -> None:
        v6, v4 = [f"2606:4700::{n}" for n in range(1, 9)], [f"1.1.1.{n}" for n in range(1, 9)]
        transport = PublicAddressTransport(resolve=resolving(v6 + v4)[0])

        async def refuse(request: httpx.Request) -> httpx.Response:
            tried.append(request.url.host)
            raise httpx.ConnectError("refused", request=request)

        transport._transport.handle_async_request = refuse  # type: ignore[method-assign]
        async with httpx.AsyncClient(transport=transport) as client:
            with pytest.raises(httpx.ConnectError, match="refused"):
                await client.get("http://hooks.example/")

    run(main())
    assert tried == ["2606:4700::1", "1.1.1.1", "2606:4700::2", "1.1.1.2"]


def test_failure_after_connecting_is_not_retried_at_another_address() -> None:
    async def main() -> None:
        async with serving(answer=b"no HTTP at all\r\n\r\n") as server:
            resolve = resolving(["127.0.0.1", "127.0.0.1", "127.0.0.2"])[0]
            transport = PublicAddressTransport(resolve=resolve, is_allowed=allowing("127.0.0.1", "127.0.0.2"))
            async with httpx.AsyncClient(transport=transport) as client:
                with pytest.raises(httpx.RemoteProtocolError):
                    await client.post(f"http://hooks.example:{server.port}/", content=b"x")
        assert server.connections == 1

    run(main())


@pytest.mark.parametrize(
    "error", [socket.gaierror(-2, "Name or service not known"), UnicodeError("label too long")]
)
def test_unknown_name(error: Exception) -> None:
    async def main() -> None:
        async with httpx.AsyncClient(transport=PublicAddressTransport(resolve=resolving(error)[0])) as client:
            with pytest.raises(httpx.ConnectError, match=r"^hooks\.example is unknown: .*(not known|too long)"):
                await client.get("http://hooks.example/")

    run(main())


def test_invalid_name_is_unknown() -> None:
    async def main() -> None:
        async with httpx.AsyncClient(transport=PublicAddressTransport()) as client:
            with pytest.raises(httpx.ConnectError, match="is unknown"):
                await client.get(f"http://{'a' * 64}.example/")

    run(main())


def test_hanging_name_server() -> None:
    async def hang(host: str) -> Sequence[str]:
        await asyncio.sleep(60)
        return []

    async def main() -> None:
        async with httpx.AsyncClient(transport=PublicAddressTransport(resolve=hang), timeout=0.1) as client:
            with pytest.raises(httpx.ConnectTimeout, match="took too long"):
                await client.get("http://hooks.example/")

    run(main())


def test_timeout_after_name_lookup() -> None:
    async def late(host: str) -> Sequence[str]:
        time.sleep(0.2)  # noqa: ASYNC251 - like a resolver that blocks the loop
        return ["1.1.1.1"]

    async def main() -> None:
        async with httpx.AsyncClient(transport=PublicAddressTransport(resolve=late), timeout=0.1) as client:
            with pytest.raises(httpx.ConnectTimeout):
                await client.get("http://hooks.example/")

    run(main())


def test_system_name_lookup() -> None:
    async def main() -> None:
        assert await look_up("127.0.0.1") == ["127.0.0.1"]
        assert set(await look_up("localhost")) <= {"127.0.0.1", "::1"}

    run(main())


# --- Attempts to bypass the check ---


@pytest.mark.parametrize("follow", [False, True])
def test_redirect_to_private_address(follow: bool) -> None:
    async def main() -> None:
        async with serving() as private:
            location = f"http://127.0.0.1:{private.port}/"
            answer = f"HTTP/1.1 307 See There\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n".encode()
            async with serving(address="127.0.0.2", answer=answer) as server:
                transport = PublicAddressTransport(is_allowed=allowing("127.0.0.2"))
                async with httpx.AsyncClient(transport=transport, follow_redirects=follow) as client:
                    sent: Awaitable[httpx.Response] = client.post(f"http://127.0.0.2:{server.port}/", content=b"x")
                    if follow:
                        with pytest.raises(PrivateAddressError):
                            await sent
                    else:
                        assert (await sent).status_code == 307
            assert len(server.requests) == 1
        assert private.connections == 0

    run(main())


def test_environment_proxies_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with serving() as proxy, serving() as server:
            for name in ("http_proxy", "https_proxy", "all_proxy"):
                monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
                monkeypatch.setenv(name.upper(), f"http://127.0.0.1:{proxy.port}")
            monkeypatch.delenv("no_proxy", raising=False)
            monkeypatch.delenv("NO_PROXY", raising=False)
            resolve = resolving(["127.0.0.1"])[0]
            transport = PublicAddressTransport(resolve=resolve, is_allowed=allowing("127.0.0.1"))
            async with httpx.AsyncClient(transport=transport) as client:
                await client.get(f"http://hooks.example:{server.port}/")
        assert (proxy.connections, server.connections) == (0, 1)

    run(main())

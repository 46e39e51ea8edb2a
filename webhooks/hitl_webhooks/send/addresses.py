"""Restricts connections to public addresses, against server-side request forgery (SSRF).

Otherwise anyone who may set an endpoint's URL could make the sender connect to what only the sender can reach:
a cloud's metadata service, a database, a neighbour. What counts is the connected address, not the URL: a name
can resolve to any address, and ``http://2130706433/`` is loopback. So the name is resolved here, the addresses
are checked, and the connection goes to a checked address: there is no second DNS lookup (DNS rebinding).
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from itertools import zip_longest
from socket import SOCK_STREAM
from types import TracebackType

import httpx

from hitl_webhooks.errors import PrivateAddressError

Address = IPv4Address | IPv6Address
Resolve = Callable[[str], Awaitable[Sequence[str]]]
"""Resolves a URL's host to its addresses, best first. Raises OSError if there is none."""

MAX_ADDRESSES = 4
"""Maximum addresses tried per host, so that a long DNS answer cannot turn an attempt into a port scan."""

# In addition to ``is_global``, which follows the IANA registries but differs between Python releases.
_NOT_PUBLIC_V4 = (
    IPv4Network("100.64.0.0/10"),  # carrier-grade NAT
    IPv4Network("168.63.129.16/32"),  # Azure's host: a public address that every virtual machine there can reach
    IPv4Network("192.0.0.0/24"),  # protocol assignments; Oracle's metadata service
    IPv4Network("192.88.99.0/24"),  # 6to4 relays
    IPv4Network("224.0.0.0/3"),  # multicast, reserved, broadcast
)
_NOT_PUBLIC_V6 = (
    IPv6Network("2001::/23"),  # protocol assignments, with Teredo: an IPv4 address in disguise
    IPv6Network("2001:db8::/32"),  # documentation
    IPv6Network("2002::/16"),  # 6to4: an IPv4 address in disguise
    IPv6Network("3fff::/20"),  # documentation
)
# All unicast addresses assigned today. Excludes loopback, unique local, link-local, site-local, multicast,
# IPv4-compatible and IPv4-translated addresses, and local NAT64.
_UNICAST_V6 = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")


def is_public(address: Address) -> bool:
    """Whether ``address`` is publicly reachable from the whole internet.

    An IPv4-mapped IPv6 address, or one with NAT64's well-known prefix (as every IPv4 host has in an IPv6-only
    network), is checked as the IPv4 address. 6to4 and Teredo, long obsolete, are never public.
    """
    if isinstance(address, IPv4Address):
        return address.is_global and not any(address in network for network in _NOT_PUBLIC_V4)
    if address.ipv4_mapped is not None:
        return is_public(address.ipv4_mapped)
    if address in _NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFF_FFFF))
    return (
        address in _UNICAST_V6 and address.is_global and not any(address in network for network in _NOT_PUBLIC_V6)
    )


async def look_up(host: str) -> list[str]:
    """Resolve ``host`` with the system's resolver, as any connection does.

    Raises:
        OSError: the host is unknown.
        UnicodeError: the host is not a valid name.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=SOCK_STREAM)
    return [str(where[0]) for *_, where in found]


class PublicAddressTransport(httpx.AsyncBaseTransport):
    """An httpx transport that connects to public addresses only.

    Host header, TLS server name and certificate check use the name in the URL. Connections are not reused: two
    names may share an address, and a connection is valid only for the name it was opened for. Needs asyncio.

    A client with a custom transport ignores the proxies from the environment. That is intended: a proxy would
    resolve the name and connect itself, so that checks made here would have no effect. If a proxy is required,
    the proxy has to block private addresses.

    Args:
        verify: how certificates are checked, as in ``httpx.AsyncClient``.
        resolve: resolves a host.
        is_allowed: whether connecting to an address is allowed.
    """

    def __init__(
        self,
        *,
        verify: ssl.SSLContext | bool = True,
        resolve: Resolve = look_up,
        is_allowed: Callable[[Address], bool] = is_public,
    ) -> None:
        self._resolve = resolve
        self._is_allowed = is_allowed
        limits = httpx.Limits(max_connections=100, max_keepalive_connections=0)
        self._transport = httpx.AsyncHTTPTransport(verify=verify, limits=limits)

    async def __aenter__(self) -> PublicAddressTransport:
        await self._transport.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self._transport.__aexit__(exc_type, exc_value, traceback)

    async def aclose(self) -> None:
        await self._transport.aclose()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send ``request`` to the first allowed address of its host that accepts a connection.

        The request's connect timeout, in seconds, covers the DNS lookup and all tries together, and is divided
        among them: an address that never responds leaves time for the next one.

        Raises:
            PrivateAddressError: none of the host's addresses is allowed.
            httpx.ConnectError: the host is unknown, or every address refused the connection.
            httpx.ConnectTimeout: connecting took too long.
        """
        seconds: float | None = request.extensions.get("timeout", {}).get("connect")
        end = None if seconds is None else time.monotonic() + seconds
        addresses = await self._addresses(request, seconds)
        failure: httpx.TransportError | None = None
        for tried, address in enumerate(addresses):
            share = None
            if end is not None:
                share = (end - time.monotonic()) / (len(addresses) - tried)
                if share <= 0:
                    break
            try:
                return await self._transport.handle_async_request(_pinned(request, address, share))
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error  # nothing of the request has been sent yet
        raise failure or httpx.ConnectTimeout("Timed out before a connection was tried.", request=request)

    async def _addresses(self, request: httpx.Request, timeout: float | None) -> list[Address]:
        host = _host(request)
        try:
            found = await asyncio.wait_for(self._resolve(host), timeout)
        except (TimeoutError, asyncio.TimeoutError):
            raise httpx.ConnectTimeout(f"Looking up {host} took too long.", request=request) from None
        except (OSError, UnicodeError) as error:
            raise httpx.ConnectError(f"{host} is unknown: {error}", request=request) from error
        addresses = list(dict.fromkeys(ip_address(text) for text in found))
        # From a mixed answer only the allowed addresses are used.
        allowed = [address for address in addresses if self._is_allowed(address)]
        if not allowed:
            raise PrivateAddressError(_refusal(host, addresses))
        return _alternating(allowed)[:MAX_ADDRESSES]


def _alternating(addresses: Sequence[Address]) -> list[Address]:
    """Alternate the address families, so that a machine with broken IPv6 tries IPv4 second."""
    first = [address for address in addresses if address.version == addresses[0].version]
    other = [address for address in addresses if address.version != addresses[0].version]
    return [address for pair in zip_longest(first, other) for address in pair if address is not None]


def _host(request: httpx.Request) -> str:
    return request.url.raw_host.decode("ascii")


def _pinned(request: httpx.Request, address: Address, connect_timeout: float | None) -> httpx.Request:
    """Return the request with ``address`` instead of the name; its Host header is already set."""
    timeout = {**request.extensions.get("timeout", {}), "connect": connect_timeout}
    return httpx.Request(
        request.method,
        request.url.copy_with(host=str(address)),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "timeout": timeout, "sni_hostname": _host(request)},
    )


def _refusal(host: str, addresses: Sequence[Address]) -> str:
    if not addresses:
        return f"{host} has no address"
    at = str(addresses[0])
    return f"{at} is not a public address" if at == host else f"{host} is at {at}: not a public address"

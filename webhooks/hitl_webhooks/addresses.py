"""Post to public addresses only.

Whoever may name an endpoint's URL could otherwise make the sender talk to what only the sender can reach: a
cloud's metadata service, a database, a neighbour. What counts is the address that is connected to, not the
URL: a name can be at any address, and ``http://2130706433/`` is loopback. So the name is looked up here, the
addresses are checked, and the connection goes to a checked address: a second answer of the name server
(DNS rebinding) is never asked for.
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
"""From a host, as it stands in a URL, to its addresses, best first. Raises OSError where there is none."""

MAX_ADDRESSES = 4
"""How many addresses of one host are tried, so that a long answer cannot make one attempt a port scan."""

# On top of ``is_global``, which follows the registries of IANA, but differs between releases of Python.
_NOT_PUBLIC_V4 = (
    IPv4Network("100.64.0.0/10"),  # carrier-grade NAT
    IPv4Network("168.63.129.16/32"),  # Azure's host: a public number that every virtual machine there reaches
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
# All that is assigned to hosts today. Leaves out loopback, unique local, link-local, site-local, multicast,
# IPv4-compatible and IPv4-translated addresses, and local NAT64.
_UNICAST_V6 = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")


def is_public(address: Address) -> bool:
    """Whether ``address`` is one that the whole internet reaches, and nothing nearer than that.

    An IPv4 address that is mapped into IPv6, or that stands behind NAT64's well-known prefix (as every IPv4
    host does in a network of IPv6 only), is judged as what it is. 6to4 and Teredo, long given up, never are.
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
    """Ask the system for the addresses of ``host``, as any connection does.

    Raises:
        OSError: the host is unknown.
        UnicodeError: the host cannot be a name.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=SOCK_STREAM)
    return [str(where[0]) for *_, where in found]


class PublicAddressTransport(httpx.AsyncBaseTransport):
    """An httpx transport that connects to public addresses only.

    Host header, TLS server name and certificate stay those of the name in the URL. No connection is kept for
    a further request: two names may share an address, and a connection is good for the one it was opened for.
    Needs asyncio.

    A client that is given a transport ignores the proxies that the environment names. That is intended: with
    a proxy it is the proxy that looks the name up and connects, and no check made here would hold. Where a
    proxy is the way out, it is the proxy that has to refuse private addresses.

    Args:
        verify: how certificates are checked, as in ``httpx.AsyncClient``.
        resolve: looks a host up.
        is_allowed: says of an address whether it may be connected to.
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
        """Send ``request`` to the first allowed address of its host that can be connected to.

        The request's time-out for connecting, in seconds, covers looking the name up and all tries together,
        shared out among them: an address that never answers leaves time for the next one.

        Raises:
            PrivateAddressError: the host has addresses, none of them allowed.
            httpx.ConnectError: the host is unknown, or refused at every address.
            httpx.ConnectTimeout: it took too long.
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
            raise httpx.ConnectTimeout(f"Looking {host} up took too long.", request=request) from None
        except (OSError, UnicodeError) as error:
            raise httpx.ConnectError(f"{host} is unknown: {error}", request=request) from error
        addresses = list(dict.fromkeys(ip_address(text) for text in found))
        # Of a mixed answer the allowed ones are used: what is connected to is one of them, whatever else is said.
        allowed = [address for address in addresses if self._is_allowed(address)]
        if not allowed:
            raise PrivateAddressError(_refusal(host, addresses))
        return _alternating(allowed)[:MAX_ADDRESSES]


def _alternating(addresses: Sequence[Address]) -> list[Address]:
    """One of each family in turn: a machine whose IPv6 leads nowhere gets to an IPv4 address by its second try."""
    first = [address for address in addresses if address.version == addresses[0].version]
    other = [address for address in addresses if address.version != addresses[0].version]
    return [address for pair in zip_longest(first, other) for address in pair if address is not None]


def _host(request: httpx.Request) -> str:
    return request.url.raw_host.decode("ascii")


def _pinned(request: httpx.Request, address: Address, connect_timeout: float | None) -> httpx.Request:
    """The same request to ``address`` instead of a name; its Host header is already there."""
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

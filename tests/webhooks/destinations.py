"""Possible destinations of webhook URLs, and how they are treated: the table in ``docs/security.md``.

In the tests, ``PUBLIC`` stands for any public address; all other loopback addresses are private as usual.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

PUBLIC = "127.0.0.3"
PRIVATE = "127.0.0.1"

Alone = Literal["https only", "http, too", "refused"]
"""Whether an endpoint is accepted by default."""

Blocked = Literal["sent", "refused", "no such host", "not followed"]
"""The outcome with ``webhook_block_private_addresses``."""


@dataclass(frozen=True)
class Case:
    """A row of the table.

    Attributes:
        what: description of the address.
        urls: examples; only the host for those that can be http and https.
        alone: result by default.
        blocked: result with ``webhook_block_private_addresses``.
        answers: successive DNS answers; the system's own if empty.
    """

    what: str
    urls: tuple[str, ...]
    alone: Alone
    blocked: Blocked
    answers: tuple[Sequence[str], ...] = ()


REDIRECTING = "redirecting.example"
"""A host whose server redirects to ``PRIVATE``."""

CASES = (
    Case("a name with a public address", ("hooks.example",), "https only", "sent", ((PUBLIC,),)),
    Case(
        "a name with private addresses",
        ("inner.example",),
        "https only",
        "refused",
        ((PRIVATE, "10.0.0.1", "fd00::1"),),
    ),
    Case("a name with public and private ones", ("both.example",), "https only", "sent", ((PRIVATE, PUBLIC),)),
    Case(
        "a name whose address changes after it was checked",
        ("rebinding.example",),
        "https only",
        "sent",
        ((PUBLIC,), (PRIVATE,)),
    ),
    Case("this machine", ("127.0.0.1", "[::1]", "LOCALHOST"), "http, too", "refused"),
    Case(
        "other names of this machine", ("localhost.", "ip6-localhost"), "https only", "refused", ((PRIVATE, "::1"),)
    ),
    Case("names below `localhost`", ("app.localhost",), "http, too", "refused", ((PRIVATE, "::1"),)),
    Case("private IPv4", ("10.0.0.1", "172.16.0.1", "192.168.0.1"), "https only", "refused"),
    Case("with a trailing dot", ("10.0.0.1.",), "https only", "refused", (("10.0.0.1",),)),
    Case(
        "IPv4 as one number, hexadecimal, or with parts left out",
        ("2130706433", "0x7f000001", "017700000001", "0xa.1", "127.1"),
        "https only",
        "refused",
    ),
    Case("octal parts", ("0177.0.0.1", "010.0.0.1"), "https only", "no such host"),
    Case("digits of other scripts", ("①②⑦.⓪.⓪.①", "１２７.0.0.1", "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ"), "https only", "no such host"),
    Case("full stops of other scripts", ("127。0。0。1",), "https only", "refused"),
    Case(
        "characters as percent codes", ("%31%32%37.0.0.1", "127.0.0.1%00.example.org"), "https only", "no such host"
    ),
    Case("no address, any address", ("0.0.0.0", "0", "[::]"), "https only", "refused"),
    Case("carrier-grade NAT", ("100.64.0.1", "100.100.100.200"), "https only", "refused"),
    Case(
        "link-local, with metadata services of clouds",
        ("169.254.169.254", "[fe80::1]", "[fe80::1%1]"),
        "https only",
        "refused",
    ),
    Case(
        "metadata services elsewhere", ("[fd00:ec2::254]", "168.63.129.16", "192.0.0.192"), "https only", "refused"
    ),
    Case("unique local and site-local IPv6", ("[fc00::1]", "[fd12:3456::1]", "[fec0::1]"), "https only", "refused"),
    Case(
        "IPv4 mapped into IPv6",
        ("[::ffff:10.0.0.1]", "[::ffff:a9fe:a9fe]", "[::ffff:0:0]"),
        "https only",
        "refused",
    ),
    Case(
        "other IPv4 in IPv6: NAT64, 6to4, Teredo, compatible, translated",
        (
            "[64:ff9b::a00:1]",
            "[64:ff9b:1::a00:1]",
            "[2002:a00:1::]",
            "[2001:0:4136:e378:8000:63bf:f5ff:fffe]",
            "[::10.0.0.1]",
            "[::ffff:0:10.0.0.1]",
        ),
        "https only",
        "refused",
    ),
    Case(
        "multicast, broadcast, reserved",
        ("224.0.0.1", "[ff02::1]", "255.255.255.255", "240.0.0.1"),
        "https only",
        "refused",
    ),
    Case(
        "a user in front of the host", ("hooks.example@10.0.0.1", "user:password@10.0.0.1"), "https only", "refused"
    ),
    Case(
        "another scheme",
        ("ftp://10.0.0.1", "file:///etc/passwd", "gopher://10.0.0.1", "unix:/run/a.sock", "//10.0.0.1"),
        "refused",
        "refused",
    ),
    Case("a redirect to any of these", (REDIRECTING,), "https only", "not followed", ((PUBLIC,),)),
)

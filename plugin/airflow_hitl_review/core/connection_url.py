"""Builds a URL from an Airflow connection, however that was written. No Airflow imports.

The field ``schema`` has two conventions: the HTTP provider keeps the protocol there, and a connection that is
written as a URI has the URI's path there. An ambiguous connection is refused.
"""

from __future__ import annotations

import re
from typing import Any

from hitl_webhooks import InvalidEndpointError

_PROTOCOLS = ("http", "https")
_OWN_PORT = re.compile(r":(\d+)$")


def url_of(connection: Any, path: str, *, default_host: str = "") -> str:
    """The URL of a connection's ``host``, ``port``, ``schema`` and ``conn_type``.

    Args:
        connection: an Airflow connection. Its host may be a whole URL.
        path: the value of ``path`` in the extra.
        default_host: host for a connection without one.

    Raises:
        InvalidEndpointError: two fields contradict each other, a field would be ignored, or there is no host.
    """
    host, schema = (connection.host or default_host).strip(), (connection.schema or "").strip()
    if not host.partition("://")[2 if "://" in host else 0].strip("/"):
        raise _refused(connection, "it has no host")
    if connection.login:
        raise _refused(
            connection,
            "its login would not be used. Put a secret in the password; in a URI, write it after a colon: "
            "https://:secret@host. For basic authentication, set the header Authorization in headers of the "
            "extra",
        )
    protocol = schema.lower() if schema.lower() in _PROTOCOLS else ""
    place = "" if protocol else schema
    if place and path:
        raise _refused(
            connection, "its schema (in a URI, the path) and path in its extra name two paths. Remove one"
        )
    place = place or path
    if ("?" in host or "#" in host) and (place or connection.port):
        raise _refused(
            connection,
            "its host has a query, but its path or port is not in the host. Put everything into the host",
        )
    if "://" in host:
        given, _, host = host.partition("://")
        if protocol not in ("", given.lower()):
            raise _refused(connection, f"its host begins with {given}://, but its schema is {protocol}. Change one")
        protocol = given
    elif not protocol:
        protocol = connection.conn_type if connection.conn_type in _PROTOCOLS else "https"
    if connection.conn_type == "https" and protocol.lower() == "http":
        raise _refused(connection, "its type is https, but the rest says http. Change one")
    address, slash, rest = host.partition("/")
    url = f"{protocol}://{_with_port(connection, address)}{slash}{rest}"
    if place.startswith("?"):
        return url + place
    return f"{url.rstrip('/')}/{place.lstrip('/')}" if place else url


def _with_port(connection: Any, address: str) -> str:
    user, at, address = address.rpartition("@")
    if address.count(":") > 1 and "]" not in address:
        address = f"[{address}]"  # IPv6, as a connection written as a URI has it
    own = _OWN_PORT.search(address)
    if connection.port and own is None:
        address = f"{address}:{connection.port}"
    elif connection.port and own is not None and int(own[1]) != connection.port:
        raise _refused(connection, "its host and its port name two ports. Remove one")
    return user + at + address


def _refused(connection: Any, why: str) -> InvalidEndpointError:
    return InvalidEndpointError(f"Connection {connection.conn_id!r}: {why}.")

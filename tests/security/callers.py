"""Callers: people with each role, and invalid tokens."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from tests.security.routes import Right
from tests.support.api_server import ReviewServer


@dataclass(frozen=True)
class Caller:
    """A caller of the API.

    Attributes:
        name: shown in the table.
        right: what the caller may do.
        token: empty if there is none.
    """

    name: str
    right: Right
    token: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """Headers of each request."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


SIMPLE_USERS = {
    "bob": "user:blue",
    "viv": "viewer:red",
    "ann": "user:red",
    "opa": "op:red",
    "admin": "admin",
}
"""People in SimpleAuthManager; the reviews' DAG belongs to the team "red"."""

SIMPLE_PEOPLE = {
    "bob": ("`user` of another team", Right.NOT_THIS_DAG),
    "viv": ("`viewer`", Right.READ),
    "ann": ("`user`", Right.DECIDE),
    "opa": ("`op`", Right.CONNECT),
    "admin": ("`admin`", Right.CONNECT),
}

CONTROL = "nothing wrong"

FAB_PEOPLE = {
    "pub": ("`Public`", Right.NOT_THIS_DAG),
    "bob": ("all on `DAG:another`", Right.NOT_THIS_DAG),
    "nil": ("all on `DAG:this`, without `HITL Detail`", Right.NOT_THIS_DAG),
    "una": ("`can_edit` alone on `DAG:this`", Right.NOT_THIS_DAG),
    "viv": ("`Viewer`", Right.READ),
    "ron": ("`can_read` on `DAG:this`", Right.READ),
    "ann": ("`User`", Right.DECIDE),
    "edi": ("`can_read` and `can_edit` on `DAG:this`", Right.DECIDE),
    "opa": ("`Op`", Right.CONNECT),
    "admin": ("`Admin`", Right.CONNECT),
}
"""People in FAB's auth manager; those with rights on single DAGs have the roles of ``fab_people``."""


def callers(server: ReviewServer, people: Mapping[str, tuple[str, Right]]) -> list[Caller]:
    """All callers, those with the fewest rights first."""
    tokens = _changed_tokens(server.token("admin"), server.airflow.env["AIRFLOW__API_AUTH__JWT_SECRET"])
    found = [Caller("no token", Right.NOT_LOGGED_IN)]
    # The unchanged token, encoded again, must be accepted: so the others are refused only for what was changed.
    control = Caller(CONTROL, *tokens.pop(CONTROL))
    assert server.call("GET", "/sessions", user=None, headers=control.headers).status_code == 200
    found += [Caller(name, *token) for name, token in tokens.items()]
    found += [Caller(name, right, server.token(user)) for user, (name, right) in people.items()]
    return sorted(found, key=lambda caller: caller.right)


def _changed_tokens(good: str, secret: str) -> dict[str, tuple[Right, str]]:
    """An administrator's token encoded again, and others with one error each."""
    head = jwt.get_unverified_header(good)
    claims: dict[str, Any] = jwt.decode(good, options={"verify_signature": False})
    more = {key: value for key, value in head.items() if key not in ("alg", "typ")}
    past = {name: int(time.time()) - seconds for name, seconds in (("iat", 7200), ("nbf", 7200), ("exp", 3600))}

    def signed(key: str, **changes: Any) -> str:
        return jwt.encode({**claims, **changes}, key, algorithm=head["alg"], headers=more)

    return {
        CONTROL: (Right.CONNECT, signed(secret)),
        "expired token": (Right.NOT_LOGGED_IN, signed(secret, **past)),
        "text that is no token": (Right.FORGED, "x.y.z"),
        "token of another key": (Right.FORGED, signed("another key, as long as the real one is" * 2)),
        "unsigned token": (Right.FORGED, jwt.encode(claims, "", algorithm="none", headers=more)),
        "token for another audience": (Right.FORGED, signed(secret, aud="another")),
    }

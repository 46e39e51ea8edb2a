"""Rejects requests before a route runs: bodies that are too large or not plain JSON, and NUL characters.

Otherwise, each of these would be a server error: from the database, which stores neither NUL nor a lone surrogate,
or from the error response that repeats the invalid value.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

from fastapi import HTTPException, Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from airflow_hitl_review.core.texts import UNSTORABLE
from airflow_hitl_review.web.http.field_limits import MAX_BODY_BYTES, MAX_BODY_DEPTH

TOO_LARGE = f"The body is too large: at most {MAX_BODY_BYTES} bytes are accepted."

# Otherwise the server keeps reading the unwanted body as long as the client sends it.
_CLOSING = {"Connection": "close"}
_MOST_DISCARDED = 8 * MAX_BODY_BYTES


class LimitedBodies:
    """ASGI middleware that counts a body's bytes as they arrive, whatever its headers say; one too large gets 413.

    Args:
        app: what it passes requests on to.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, unless its body is too large."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if _declared_length(scope) > MAX_BODY_BYTES:
            await _discard(receive)
            await JSONResponse({"detail": TOO_LARGE}, 413, _CLOSING)(scope, receive, send)
            return
        read, answered = 0, False

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read <= MAX_BODY_BYTES:
                return message
            if answered:  # the app waits for a disconnect, and does not read the body
                return {"type": "http.disconnect"}
            if message.get("more_body", False):
                await _discard(receive)
            raise HTTPException(413, TOO_LARGE, _CLOSING)

        async def noted(message: Message) -> None:
            nonlocal answered
            answered = True
            await send(message)

        await self._app(scope, counted, noted)


def _declared_length(scope: Scope) -> int:
    """The ``Content-Length`` header; 0 if missing. The server has already rejected one that is not a number."""
    found = [value for name, value in scope["headers"] if name.lower() == b"content-length"]
    return int(found[0]) if found and found[0].isdigit() else 0


async def _discard(receive: Receive) -> None:
    """Read the rest of a body, up to a limit: a client that is still sending may not read the response."""
    discarded, more = 0, True
    while more and discarded < _MOST_DISCARDED:
        message = await receive()
        discarded += len(message.get("body", b""))
        more = message["type"] == "http.request" and message.get("more_body", False)


class PlainJsonRoute(APIRoute):
    """A route that reads its body with ``plain_json``; use it as the ``route_class`` of a router."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's own handler, with another request class."""
        handle = super().get_route_handler()

        async def handle_plain(request: Request) -> Response:
            return await handle(_PlainRequest(request.scope, request.receive))

        return handle_plain


class _PlainRequest(Request):
    async def json(self) -> Any:
        return plain_json(await self.body())


def plain_json(body: bytes) -> Any:
    """Parse JSON that databases and responses can represent.

    Raises:
        HTTPException: 422: it is not UTF-8, not JSON (RFC 8259, which has no NaN), nested deeper than
            ``MAX_BODY_DEPTH``, or has a NUL or a lone surrogate in a string.
    """
    try:
        value = json.loads(body.decode("utf-8-sig"), parse_constant=_refuse_number, parse_float=_finite)
    except UnicodeDecodeError:
        raise _unusable("is not UTF-8") from None
    except RecursionError:
        raise _too_deep() from None
    except json.JSONDecodeError as error:
        raise _unusable(f"is not JSON: {error.msg}, at character {error.pos}") from None
    except ValueError:
        raise _unusable("has a number that cannot be used: NaN, Infinity, or one that is too large") from None
    _look_through(value)
    return value


def _refuse_number(text: str) -> NoReturn:
    raise ValueError(text)


def _finite(text: str) -> float:
    number = float(text)
    return number if abs(number) != float("inf") else _refuse_number(text)


def _look_through(value: Any) -> None:
    """Reject values that are nested too deeply or have text that cannot be stored; iterative, without recursion."""
    level, depth = [value], 0
    while level:
        inner: list[Any] = []
        deeper = False
        for one in level:
            if isinstance(one, str) and (found := UNSTORABLE.search(one)):
                raise _unusable(f"has a text with a character that cannot be stored: U+{ord(found[0]):04X}")
            if isinstance(one, dict):
                inner += one.keys()
                inner += one.values()
            elif isinstance(one, list):
                inner += one
            deeper = deeper or isinstance(one, dict | list)
        depth += deeper
        if depth > MAX_BODY_DEPTH:
            raise _too_deep()
        level = inner


def _unusable(why: str) -> HTTPException:
    return HTTPException(422, f"The body {why}.")


def _too_deep() -> HTTPException:
    return _unusable(f"is nested too deeply: at most {MAX_BODY_DEPTH} levels are accepted")


async def no_nul_in_address(request: Request) -> None:
    """A dependency of all routes.

    Raises:
        HTTPException: 422: there is a NUL character in the path or in the query.
    """
    if "\x00" in request.scope["path"] or b"%00" in request.scope["query_string"]:
        raise HTTPException(422, "The address has a NUL character (%00), which no id here can contain.")

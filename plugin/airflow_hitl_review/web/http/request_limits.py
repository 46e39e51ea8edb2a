"""What is refused before a route sees it: bodies that are too large or no plain JSON, and NUL characters.

Each of these would be an error of the server otherwise: of the database, which stores neither NUL nor half a
surrogate pair, or of the answer that says what was wrong and repeats it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

from fastapi import HTTPException, Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from airflow_hitl_review.core.schema import UNSTORABLE
from airflow_hitl_review.web.http.field_limits import MAX_BODY_BYTES, MAX_BODY_DEPTH

TOO_LARGE = f"The body is too large: at most {MAX_BODY_BYTES} bytes are taken."

# Else the server goes on reading what nobody wants, as long as somebody sends it.
_CLOSING = {"Connection": "close"}
_MOST_DISCARDED = 8 * MAX_BODY_BYTES


class LimitedBodies:
    """ASGI middleware: a body is counted as it comes in, whatever its headers say. Too large a one is answered 413.

    Args:
        app: what it passes requests on to.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, as long as its body is not too large."""
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
            if answered:  # somebody waits for the client to go away, and does not read the body
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
    """What the header says; 0 if it says nothing. The server has refused what is no number."""
    found = [value for name, value in scope["headers"] if name.lower() == b"content-length"]
    return int(found[0]) if found and found[0].isdigit() else 0


async def _discard(receive: Receive) -> None:
    """Take the rest of a body, within bounds: a client that still sends may not read the answer."""
    discarded, more = 0, True
    while more and discarded < _MOST_DISCARDED:
        message = await receive()
        discarded += len(message.get("body", b""))
        more = message["type"] == "http.request" and message.get("more_body", False)


class PlainJsonRoute(APIRoute):
    """A route whose body is read by ``plain_json``; give it to a router as its ``route_class``."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's own handler, with another request."""
        handle = super().get_route_handler()

        async def handle_plain(request: Request) -> Response:
            return await handle(_PlainRequest(request.scope, request.receive))

        return handle_plain


class _PlainRequest(Request):
    async def json(self) -> Any:
        return plain_json(await self.body())


def plain_json(body: bytes) -> Any:
    """Read JSON that databases and answers can carry.

    Raises:
        HTTPException: 422: it is not UTF-8, no JSON (RFC 8259, which has no NaN), nested deeper than
            ``MAX_BODY_DEPTH``, or has a NUL or half a surrogate pair in a text.
    """
    try:
        value = json.loads(body.decode("utf-8-sig"), parse_constant=_refuse_number, parse_float=_finite)
    except UnicodeDecodeError:
        raise _unusable("is not UTF-8") from None
    except RecursionError:
        raise _too_deep() from None
    except json.JSONDecodeError as error:
        raise _unusable(f"is no JSON: {error.msg}, at character {error.pos}") from None
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
    """Refuse what is nested too deeply, or has text that cannot be stored; level by level, so without recursion."""
    level, depth = [value], 0
    while level:
        inner: list[Any] = []
        deeper = False
        for one in level:
            if isinstance(one, str) and (found := UNSTORABLE.search(one)):
                raise _unusable(f"has a character in a text that cannot be stored: U+{ord(found[0]):04X}")
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
    return _unusable(f"is nested too deeply: at most {MAX_BODY_DEPTH} levels are taken")


async def no_nul_in_address(request: Request) -> None:
    """A dependency of all routes.

    Raises:
        HTTPException: 422: there is a NUL character in the path or in the query.
    """
    if "\x00" in request.scope["path"] or b"%00" in request.scope["query_string"]:
        raise HTTPException(422, "The address has a NUL character (%00), which nothing here has in its name.")

"""Verified events for FastAPI: a dependency. Needs ``pip install "hitl-notebook[receiver]"``.

::

    verified = verified_event(os.environ["HITL_WEBHOOK_SECRET"])

    @app.post("/webhooks", status_code=204)
    def receive(event: Annotated[ReceivedEvent, Depends(verified)]) -> None:
        ...

(Do not run files of this folder by their path: this module would then shadow FastAPI.)
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from hitl_webhooks.errors import WebhookVerificationError
from hitl_webhooks.receive.received import MAX_REQUEST_BYTES, ReceivedEvent
from hitl_webhooks.receive.verification import TOLERANCE, verify
from hitl_webhooks.signing import check_secrets

try:
    # "Request" must be a module-level name: FastAPI resolves the dependency's annotations here.
    from fastapi import HTTPException, Request
    from fastapi.concurrency import run_in_threadpool
    from starlette.requests import ClientDisconnect
except ImportError as missing:
    raise ImportError(
        'hitl_webhooks.fastapi needs FastAPI. Install it with: pip install "hitl-notebook[receiver]"'
    ) from missing


def verified_event(
    secret: str | Sequence[str] | Callable[[], str | Sequence[str]],
    *,
    tolerance: timedelta = TOLERANCE,
    max_bytes: int = MAX_REQUEST_BYTES,
) -> Callable[[Request], Awaitable[ReceivedEvent]]:
    """Make a dependency whose value is the request's event.

    Make it once and use it by name: the body of a request can be read only once, so two dependencies on one
    path fail, and so does an endpoint that reads the body again.

    Unverified requests never reach the endpoint: the response is 401 with the reason. A body of more than
    ``max_bytes`` gets a 413, without being read further.

    Args:
        secret: the endpoint's secret, or several during rotation. Or a function that returns that: it is
            called for each request, in a worker thread, so it may look the secret up. If it raises, the
            response is 500 and the sender retries.
        tolerance: allowed difference between ``webhook-timestamp`` and now, in both directions.
        max_bytes: maximum size of the body, in bytes.

    Raises:
        InvalidSecretError: ``secret`` is malformed. If a function returned it, the response to that request is
            500 instead.
    """
    if not callable(secret):
        secret = check_secrets(secret)  # now, not at the first request

    async def dependency(request: Request) -> ReceivedEvent:
        payload = await _read(request, max_bytes)
        known = await run_in_threadpool(secret) if callable(secret) else secret
        try:
            return verify(payload, request.headers, known, tolerance=tolerance)
        except WebhookVerificationError as error:
            raise HTTPException(401, str(error)) from None

    return dependency


async def _read(request: Request, limit: int) -> bytes:
    payload = bytearray()
    try:
        async for chunk in request.stream():
            payload += chunk
            if len(payload) > limit:
                raise HTTPException(413, f"The body is too large: more than {limit} bytes.")
    except ClientDisconnect:  # nobody reads the response; this only prevents an error in the server's log
        raise HTTPException(400, "The body ended early.") from None
    return bytes(payload)

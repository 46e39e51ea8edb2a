"""Posts one event to several endpoints concurrently, within a time limit."""

from __future__ import annotations

import asyncio
import math
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import httpx

from hitl_webhooks.errors import HITLWebhookError, UnusableEnvironmentError
from hitl_webhooks.events import Event
from hitl_webhooks.send.addresses import PublicAddressTransport
from hitl_webhooks.send.certificates import ssl_context
from hitl_webhooks.send.endpoint import Endpoint
from hitl_webhooks.send.formats import get_format
from hitl_webhooks.send.log_redaction import no_request_log
from hitl_webhooks.send.outbox import Attempt, DeliveryStatus, EndpointDelivery
from hitl_webhooks.signing import ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, sign

DELIVERY_BOUND = 10.0
"""Time limit of an event's first delivery in seconds, including retries."""

ATTEMPT_TIMEOUT = 5.0
"""Timeout of one attempt in seconds. Standard Webhooks suggests 15 to 30 s; the worker's limit is tighter."""

QUICK_RETRIES: tuple[float, ...] = (0.5, 2.0)
"""Seconds to wait before the second and third attempts within the time limit."""

USER_AGENT = "hitl-notebook"


def open_client(*, block_private_addresses: bool = False, https: bool = True) -> httpx.AsyncClient:
    """Return the HTTP client that posts events; it does not follow redirects.

    Args:
        block_private_addresses: refuse to connect to an address that is not public. Proxies from the
            environment are then ignored, because the proxy would make the connection.
        https: False for a client that posts to ``http`` alone. Reading the certificate authorities takes much of
            a short task's time; without them, each ``https`` endpoint is refused.

    Raises:
        UnusableEnvironmentError: the certificates or the proxy from the environment cannot be used.
    """
    verify = ssl_context() if https else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    transport = PublicAddressTransport(verify=verify) if block_private_addresses else None
    # No keep-alive: an endpoint may close an idle connection just as the next event is sent on it.
    limits = httpx.Limits(max_connections=100, max_keepalive_connections=0)
    try:
        return httpx.AsyncClient(follow_redirects=False, transport=transport, limits=limits, verify=verify)
    except (ValueError, ImportError, httpx.InvalidURL) as error:
        # Without the error's message, which may contain part of the proxy's password.
        raise UnusableEnvironmentError(
            f"The proxy that HTTPS_PROXY, HTTP_PROXY or ALL_PROXY names cannot be used ({type(error).__name__}). "
            "Correct the variable where Airflow's workers and API server run, or unset it."
        ) from None


async def attempt(
    client: httpx.AsyncClient,
    endpoint: Endpoint,
    event_id: str,
    body: bytes,
    *,
    timeout: float = ATTEMPT_TIMEOUT,
    clock: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
) -> Attempt:
    """Make one attempt and return its result; never raises because of the endpoint's behaviour.

    Args:
        client: must not follow redirects.
        endpoint: the endpoint to post to.
        event_id: value of ``webhook-id``.
        body: the event's standard body, converted to the endpoint's format.
        timeout: seconds for the whole attempt.
        clock: current time, timezone-aware; becomes ``webhook-timestamp``.
    """
    at, start = clock(), time.monotonic()
    status_code: int | None = None
    retry_after: float | None = None
    error: str | None
    try:
        headers, content = _request(endpoint, event_id, body, at)
        response = await asyncio.wait_for(_post(client, endpoint.url, headers, content, timeout), timeout)
        status_code = response.status_code
        error = _error_of(response, endpoint)
        retry_after = _retry_after(response, at)
    except (TimeoutError, asyncio.TimeoutError, httpx.TimeoutException):
        error = f"no answer within {timeout:g} s"
    except Exception as failure:  # noqa: BLE001 - any error goes into this endpoint's log
        error = f"{type(failure).__name__}: {failure}" if str(failure) else type(failure).__name__
    return Attempt(
        at=at.isoformat(),
        duration_ms=round((time.monotonic() - start) * 1000),
        status_code=status_code,
        error=endpoint.without_secrets(error) if error else None,
        retry_after=retry_after,
    )


async def deliver(
    client: httpx.AsyncClient,
    endpoint: Endpoint,
    event: Event,
    delivery: EndpointDelivery,
    *,
    bound: float = DELIVERY_BOUND,
    retries: Sequence[float] = QUICK_RETRIES,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Retry until delivered, gone, out of retries or out of time; record each attempt in ``delivery``."""
    end = time.monotonic() + bound
    for wait in (0.0, *retries):
        last = delivery.log[-1] if delivery.log else None
        pause = max(wait, (last.retry_after or 0.0) if last and wait else 0.0)
        if pause >= end - time.monotonic():
            return
        await sleep(pause)
        left = end - time.monotonic()
        delivery.record(
            await attempt(client, endpoint, event.id, event.body, timeout=max(0.1, min(ATTEMPT_TIMEOUT, left)))
        )
        if delivery.status is not DeliveryStatus.PENDING:
            return


def deliver_to_all(
    event: Event,
    targets: Sequence[tuple[Endpoint, EndpointDelivery]],
    *,
    bound: float = DELIVERY_BOUND,
    block_private_addresses: bool = False,
) -> None:
    """Deliver ``event`` to all endpoints concurrently and return within ``bound`` seconds.

    Runs in a thread with its own event loop, so that it can be called with or without a running loop.
    Endpoints with a rate limit are left to the dispatcher, because a worker does not know what other workers
    send.

    Args:
        event: what to send.
        targets: each endpoint with the delivery that records its attempts.
        bound: time limit in seconds. Undelivered events then stay ``pending``.
        block_private_addresses: see ``open_client``.
    """
    own = [(endpoint, noted) for endpoint, noted in targets if not get_format(endpoint.format).min_interval]
    if not own:
        return
    # The thread records in copies: it may still run after this function has returned.
    copies = [replace(noted) for _, noted in own]
    started = datetime.now(timezone.utc)

    async def run() -> None:
        https = any(urlsplit(endpoint.url).scheme == "https" for endpoint, _ in own)
        async with open_client(block_private_addresses=block_private_addresses, https=https) as client:
            # Slightly less than the bound, so that the last attempt ends by its own timeout and is recorded.
            inner = bound - min(0.5, bound / 10)
            tasks = [
                deliver(client, endpoint, event, copy, bound=inner)
                for (endpoint, _), copy in zip(own, copies, strict=True)
            ]
            await asyncio.gather(*tasks)

    failed: list[str] = []

    def send() -> None:
        try:
            asyncio.run(run())
        except Exception as error:  # noqa: BLE001 - before the first attempt: logged for each endpoint
            failed.append(str(error) if isinstance(error, HITLWebhookError) else type(error).__name__)

    # A daemon thread and a join with a timeout: a DNS lookup can block beyond any asyncio timeout, and a dead
    # name server must not block the task.
    thread = threading.Thread(target=send, name="hitl-webhooks", daemon=True)
    thread.start()
    thread.join(bound)
    for (_, noted), copy in zip(own, copies, strict=True):
        for done in copy.log[len(noted.log) :]:
            noted.record(done)
        if noted.status is DeliveryStatus.PENDING and not noted.log:
            why, seconds = (failed[0], 0.0) if failed else (f"no answer within {bound:g} s", bound)
            noted.record(Attempt(started.isoformat(), round(seconds * 1000), error=why))


def _request(endpoint: Endpoint, event_id: str, body: bytes, at: datetime) -> tuple[dict[str, str], bytes]:
    """Return headers and body of one attempt."""
    format_ = get_format(endpoint.format)
    rendered = format_.render(event_id, body)
    headers = {
        **{name.lower(): value for name, value in endpoint.headers.items()},
        "content-type": rendered.content_type,
        "user-agent": USER_AGENT,
    }
    if format_.signed:
        headers |= {ID_HEADER: event_id, TIMESTAMP_HEADER: str(math.floor(at.timestamp()))}
        if endpoint.secrets:
            headers[SIGNATURE_HEADER] = sign(
                event_id=event_id, timestamp=at, body=rendered.body, secrets=endpoint.secrets
            )
    return headers, rendered.body


async def _post(
    client: httpx.AsyncClient, url: str, headers: Mapping[str, str], body: bytes, timeout: float
) -> httpx.Response:
    # The response body is never read, so an endpoint cannot fill our memory.
    with no_request_log():
        async with client.stream("POST", url, content=body, headers=headers, timeout=timeout) as response:
            return response


def _error_of(response: httpx.Response, endpoint: Endpoint) -> str | None:
    if 200 <= response.status_code < 300:
        return None
    if 300 <= response.status_code < 400:
        return f"answered {response.status_code}: redirects are not followed, give the final URL"
    answered = f"answered {response.status_code} {response.reason_phrase}".rstrip()
    if response.status_code in (401, 403) and get_format(endpoint.format).signed:
        # Response to an invalid signature, by receivers of this package and Standard Webhooks' examples.
        if endpoint.secrets:
            return f"{answered}: does the receiver have this endpoint's secret?"
        return f"{answered}: the request was not signed, as the endpoint has no secret"
    return answered


def _retry_after(response: httpx.Response, now: datetime) -> float | None:
    value = response.headers.get("retry-after")
    if value is None or response.status_code not in (429, 503):
        return None
    if value.isascii() and value.strip().isdigit() and len(value) <= 9:
        return float(value)
    try:
        when = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if when.tzinfo is None:
        return None
    return max(0.0, (when - now).total_seconds())

"""Other libraries accept our signatures, and we accept theirs.

Tested with the official Standard Webhooks library and Svix's, each for Python and JavaScript.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import standardwebhooks.webhooks
import svix.webhooks
from cloudevents.core.bindings.http import HTTPMessage, from_http_event

from hitl_webhooks import EventType, Person, ReviewFacts, WebhookVerificationError, build_event, sign, verify
from hitl_webhooks.send.formats import Rendered, get_format
from tests.support.node import node_program

AT = datetime(2026, 1, 31, 9, 30, tzinfo=timezone.utc)
SECRETS = ["whsec_" + base64.b64encode(bytes(range(n, n + 32))).decode() for n in (0, 50, 100)]
FACTS = ReviewFacts(
    task_instance_id="018f3c5e-7a1b-7c3d-8e4f-5a6b7c8d9e0f",
    dag_id="reports",
    run_id="manual__1",
    task_id="report",
    map_index=2,
    try_number=1,
    status="approved",
    session_status="approved",
    iteration=2,
    max_iterations=5,
    prompt="Draft the report",
    output='# Né 漢 🎉\n"<b>\\u0000</b>" \u2028 & 1.0e3',
    decided_by=Person("7", "Zoë"),
    decided_at=AT,
    links={"review": "https://airflow.example/dags/reports/runs/manual__1/tasks/report/mapped/2"},
)
EVENT = build_event(EventType.FINALIZED, FACTS, at=AT)
BODIES = [get_format(name).render(EVENT.id, EVENT.body) for name in ("standard", "cloudevents")]

Job = dict[str, Any]
Node = Callable[[Job], dict[str, Any]]


@dataclass(frozen=True)
class Signed:
    """A received request."""

    headers: Mapping[str, str]
    body: bytes


def signed(body: bytes, *secrets: str, ago: timedelta = timedelta(0)) -> Signed:
    """Signed as in ``delivery``, with the current time, because not every library's clock can be set."""
    at = datetime.now(timezone.utc) - ago
    headers = {
        "webhook-id": EVENT.id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": sign(event_id=EVENT.id, timestamp=at, body=body, secrets=secrets),
    }
    return Signed(headers, body)


@pytest.fixture(scope="session")
def node(folder: Path) -> Iterator[Node]:
    """Runs a job of ``verify.mjs``, with the packages of ``package.json``."""
    with node_program(folder, "verify.mjs") as program:
        yield lambda job: program({**job, "body": base64.b64encode(job["body"]).decode()})


Verify = Callable[[Signed, str], bool]
"""Whether a library accepts a request with a secret."""
Sign = Callable[[bytes, str, datetime], str]
"""The header that a library creates for a body, with a secret and a time."""


def verified_by_us(request: Signed, secret: str) -> bool:
    try:
        assert verify(request.body, request.headers, secret).id == request.headers["webhook-id"]
    except WebhookVerificationError:
        return False
    return True


def verified_by_standardwebhooks(request: Signed, secret: str) -> bool:
    try:
        parsed = standardwebhooks.webhooks.Webhook(secret).verify(request.body, dict(request.headers))
    except standardwebhooks.webhooks.WebhookVerificationError:
        return False
    assert parsed == json.loads(request.body)
    return True


def verified_by_svix(request: Signed, secret: str) -> bool:
    try:
        svix.webhooks.Webhook(secret).verify(request.body, dict(request.headers))
    except svix.webhooks.WebhookVerificationError:
        return False
    return True


def verified_by_node(node: Node, library: str) -> Verify:
    def verified(request: Signed, secret: str) -> bool:
        result = node(
            {
                "do": "verify",
                "library": library,
                "secret": secret,
                "headers": dict(request.headers),
                "body": request.body,
            }
        )
        if "refused" in result:
            return False
        assert result["payload"] == json.loads(request.body)
        return True

    return verified


@pytest.fixture(params=["ours", "standardwebhooks", "svix", "standardwebhooks in node", "svix in node"])
def verified(request: pytest.FixtureRequest) -> Verify:
    """Each library in turn."""
    library, _, in_node = str(request.param).partition(" in ")
    if in_node:
        return verified_by_node(request.getfixturevalue("node"), library)
    return {
        "ours": verified_by_us,
        "standardwebhooks": verified_by_standardwebhooks,
        "svix": verified_by_svix,
    }[library]


@pytest.fixture(params=["standardwebhooks", "svix", "standardwebhooks in node", "svix in node"])
def signature(request: pytest.FixtureRequest) -> Sign:
    """Each library in turn."""
    library, _, in_node = str(request.param).partition(" in ")
    if in_node:
        node: Node = request.getfixturevalue("node")

        def sign_in_node(body: bytes, secret: str, at: datetime) -> str:
            seconds = int(at.timestamp())
            job = {
                "do": "sign",
                "library": library,
                "secret": secret,
                "id": EVENT.id,
                "seconds": seconds,
                "body": body,
            }
            return str(node(job)["signature"])

        return sign_in_node
    if library == "svix":
        return lambda body, secret, at: svix.webhooks.Webhook(secret).sign(EVENT.id, at, body.decode())
    return lambda body, secret, at: standardwebhooks.webhooks.Webhook(secret).sign(EVENT.id, at, body.decode())


def changed(request: Signed, **headers: str) -> Signed:
    return Signed(
        {**request.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}, request.body
    )


@pytest.mark.parametrize("rendered", BODIES, ids=["standard", "cloudevents"])
def test_libraries_verify_our_signature(rendered: Rendered, verified: Verify) -> None:
    assert verified(signed(rendered.body, SECRETS[0]), SECRETS[0])


def test_both_secrets_verify_during_rotation(verified: Verify) -> None:
    request = signed(EVENT.body, SECRETS[0], SECRETS[1])
    assert verified(request, SECRETS[0])
    assert verified(request, SECRETS[1])
    assert not verified(request, SECRETS[2])


@pytest.mark.parametrize("position", [0, len(EVENT.body) // 2, -1])
def test_changed_byte_fails(position: int, verified: Verify) -> None:
    request = signed(EVENT.body, SECRETS[0])
    body = bytearray(EVENT.body)
    body[position] ^= 1
    assert not verified(Signed(request.headers, bytes(body)), SECRETS[0])


def test_changed_header_fails(verified: Verify) -> None:
    request = signed(EVENT.body, SECRETS[0])
    later = str(int(request.headers["webhook-timestamp"]) + 1)
    assert not verified(changed(request, webhook_id=EVENT.id[:-1] + "x"), SECRETS[0])
    assert not verified(changed(request, webhook_timestamp=later), SECRETS[0])
    assert not verified(changed(request, webhook_signature="v1," + "A" * 43 + "="), SECRETS[0])


@pytest.mark.parametrize("minutes", [6, -6])
def test_timestamp_too_old_or_too_new_fails(minutes: int, verified: Verify) -> None:
    assert not verified(signed(EVENT.body, SECRETS[0], ago=timedelta(minutes=minutes)), SECRETS[0])


def test_we_verify_signatures_of_libraries(signature: Sign) -> None:
    now = datetime.now(timezone.utc)
    made = signature(EVENT.body, SECRETS[0], now)
    headers = {"webhook-id": EVENT.id, "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": made}
    assert verified_by_us(Signed(headers, EVENT.body), SECRETS[0])
    assert not verified_by_us(Signed(headers, EVENT.body), SECRETS[1])
    assert made == sign(event_id=EVENT.id, timestamp=now, body=EVENT.body, secrets=[SECRETS[0]])


def test_official_sdk_reads_signed_cloudevent() -> None:
    rendered = get_format("cloudevents").render(EVENT.id, EVENT.body)
    request = signed(rendered.body, SECRETS[0])
    assert verified_by_standardwebhooks(request, SECRETS[0])
    headers = {**request.headers, "content-type": rendered.content_type}
    event = from_http_event(HTTPMessage(headers=headers, body=request.body))
    assert event.get_id() == request.headers["webhook-id"]
    assert event.get_type() == "hitl_review.finalized"
    assert event.get_source() == "https://airflow.example/dags/reports"
    assert event.get_subject() == "manual__1/report[2]"
    assert event.get_data() == json.loads(EVENT.body)["data"]

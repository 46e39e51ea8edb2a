"""Signatures: known answers, interoperability, and one error hierarchy for everything that can be wrong."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

import hitl_webhooks
from hitl_webhooks import (
    EventType,
    HITLWebhookError,
    InvalidEndpointError,
    InvalidSecretError,
    InvalidSignatureError,
    MalformedEventError,
    MissingHeaderError,
    Person,
    ReceivedEvent,
    TimestampError,
    WebhookVerificationError,
    build_event,
    check_secret,
    generate_secret,
    sign,
    verify,
)
from hitl_webhooks.receive.received import SessionRef
from tests.webhooks.facts import FACTS

NOW = datetime(2026, 3, 4, 5, 6, 7, 890_000, tzinfo=timezone.utc)
ID = "0b1f8c5e-5a0f-5f51-9d0c-0a0b0c0d0e0f"
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OTHER = "whsec_" + base64.b64encode(bytes(range(32, 64))).decode()
BODY = '{"type":"hitl_review.finalized","timestamp":"2026-03-04T05:06:07.000Z","data":{"né":"🎉"}}'.encode()


def expected_signature(secret: str, event_id: str, seconds: int, body: bytes) -> str:
    """The definition of Standard Webhooks, implemented with only the standard library."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{event_id}.{seconds}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def signed(body: bytes = BODY, *secrets: str, at: datetime = NOW) -> dict[str, str]:
    return {
        "webhook-id": ID,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": sign(event_id=ID, timestamp=at, body=body, secrets=secrets or (SECRET,)),
    }


def test_known_answer_from_the_standard() -> None:
    signature = sign(
        event_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=datetime.fromtimestamp(1614265330, tz=timezone.utc),
        body=b'{"test": 2432232314}',
        secrets=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    )
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("body", [b"", b"{}", BODY, b'{"a":"x.y.z"}\n'])
@pytest.mark.parametrize("size", [24, 32, 64])
@pytest.mark.parametrize("zone", [timezone.utc, timezone(timedelta(hours=5, minutes=30))])
def test_signature_is_hmac_of_id_time_and_body(body: bytes, size: int, zone: timezone) -> None:
    secret = generate_secret(size)
    signature = sign(event_id=ID, timestamp=NOW.astimezone(zone), body=body, secrets=[secret])
    assert signature == expected_signature(secret, ID, int(NOW.timestamp()), body)


def test_interoperability_with_standardwebhooks() -> None:
    now = datetime.now(timezone.utc)
    headers = signed(BODY, SECRET, OTHER, at=now)
    for secret in (SECRET, OTHER):
        assert Webhook(secret).verify(BODY, headers) == json.loads(BODY)
    theirs = headers | {"webhook-signature": Webhook(SECRET).sign(ID, now, BODY.decode())}
    assert verify(BODY, theirs, SECRET).data == {"né": "🎉"}


def test_header_names_are_case_insensitive() -> None:
    event = verify(BODY, {name.title(): value for name, value in signed().items()}, SECRET, now=NOW)
    assert event == hitl_webhooks.ReceivedEvent(
        id=ID,
        type="hitl_review.finalized",
        timestamp=NOW.replace(microsecond=0),
        sent_at=NOW.replace(microsecond=0),
        data={"né": "🎉"},
    )


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
@pytest.mark.parametrize("value", [None, ""])
def test_missing_header(name: str, value: str | None) -> None:
    headers = signed()
    if value is None:
        del headers[name]
    else:
        headers[name] = value
    with pytest.raises(MissingHeaderError, match=name):
        verify(BODY, headers, SECRET, now=NOW)


@pytest.mark.parametrize(
    ("seconds", "word"), [(301, "old"), (-301, "new"), (10**6, "old"), (299, None), (-299, None), (0, None)]
)
def test_tolerance_with_an_injected_clock(seconds: int, word: str | None) -> None:
    now = NOW.replace(microsecond=0) + timedelta(seconds=seconds)
    if word is None:
        assert verify(BODY, signed(), SECRET, now=now).id == ID
    else:
        with pytest.raises(TimestampError, match=f"too {word}"):
            verify(BODY, signed(), SECRET, now=now)
        assert verify(BODY, signed(), SECRET, now=now, tolerance=timedelta(days=30)).id == ID


def test_system_clock_is_the_default() -> None:
    with pytest.raises(TimestampError, match="too old"):
        verify(BODY, signed(at=datetime(2020, 1, 1, tzinfo=timezone.utc)), SECRET)


@pytest.mark.parametrize(
    "value",
    [
        "x",
        "1.5",
        "-1",
        "+1",
        "1e9",
        "nan",
        "inf",
        " 1",
        "1_0",
        "٣",
        "²",
        "\x00",
        "\ud800",
        "9" * 13,
        "9" * 5000,
    ],
)
def test_garbage_timestamp(value: str) -> None:
    with pytest.raises(TimestampError):
        verify(BODY, signed() | {"webhook-timestamp": value}, SECRET, now=NOW)


GOOD = expected_signature(SECRET, ID, int(NOW.timestamp()), BODY)


@pytest.mark.parametrize(
    "value",
    [
        " ",
        ",",
        "v1",
        "v1,",
        "v1,,",
        "nocomma",
        "v1,é🎉",
        "v1,\xff\x00",
        "v1,\udcff",
        "v1,!!!not base64!!!",
        "v1,YQ",
        GOOD[3:],
        GOOD.replace("v1", "v2"),
        GOOD.replace("v1", "v1a"),
        GOOD[:-1],
        GOOD + "=",
        GOOD + "," + GOOD,
    ],
)
def test_garbage_signature(value: str) -> None:
    with pytest.raises(InvalidSignatureError):
        verify(BODY, signed() | {"webhook-signature": value}, SECRET, now=NOW)


def test_good_signature_among_garbage() -> None:
    headers = signed() | {"webhook-signature": f"nocomma v1a,é  v2,x {GOOD} v1,"}
    assert verify(BODY, headers, SECRET, now=NOW).id == ID


@pytest.mark.parametrize("body", [BODY + b" ", BODY[:-1], b"", b"\xff\xfe", b"\x80" * 10, "{}".encode("utf-16")])
def test_tampered_or_undecodable_body(body: bytes) -> None:
    with pytest.raises(InvalidSignatureError):
        verify(body, signed(), SECRET, now=NOW)


@pytest.mark.parametrize("event_id", ["other", "with.stop", "é", "\ud800", ID + ".1"])
def test_tampered_id(event_id: str) -> None:
    with pytest.raises(InvalidSignatureError):
        verify(BODY, signed() | {"webhook-id": event_id}, SECRET, now=NOW)


def test_signed_id_with_full_stop_is_refused() -> None:
    # "a.1" sent at 2 and "a" sent at 1 with the body "2...." have the same signature.
    at = int(NOW.timestamp())
    headers = signed() | {"webhook-id": "a.1", "webhook-signature": expected_signature(SECRET, "a.1", at, BODY)}
    with pytest.raises(InvalidSignatureError, match="full stop"):
        verify(BODY, headers, SECRET, now=NOW)


def test_tampered_timestamp_within_tolerance() -> None:
    with pytest.raises(InvalidSignatureError):
        verify(BODY, signed() | {"webhook-timestamp": str(int(NOW.timestamp()) + 1)}, SECRET, now=NOW)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"{",
        b"\x00",
        b"\xef\xbb\xbf{}",
        b"[]",
        b"null",
        b"{}",
        b"1" * 5000,
        b'{"type":1,"timestamp":"t","data":{}}',
        b'{"type":"t","timestamp":null,"data":{}}',
        b'{"type":"t","timestamp":"t","data":[]}',
        b'{"type":"t","timestamp":"t"}',
    ],
)
def test_signed_body_that_is_not_an_event(body: bytes) -> None:
    with pytest.raises(MalformedEventError):
        verify(body, signed(body), SECRET, now=NOW)


def test_secret_rotation() -> None:
    # The sender signs with both and the receiver knows either, or vice versa.
    for known in (SECRET, OTHER, [OTHER, SECRET]):
        assert verify(BODY, signed(BODY, SECRET, OTHER), known, now=NOW).id == ID
    for used in (SECRET, OTHER):
        assert verify(BODY, signed(BODY, used), [SECRET, OTHER], now=NOW).id == ID
    signatures = signed(BODY, SECRET, OTHER)["webhook-signature"].split(" ")
    assert signatures == [expected_signature(s, ID, int(NOW.timestamp()), BODY) for s in (SECRET, OTHER)]
    with pytest.raises(InvalidSignatureError):
        verify(BODY, signed(BODY, SECRET, OTHER), generate_secret(), now=NOW)


@pytest.mark.parametrize("size", [0, 23, 65])
def test_secret_out_of_bounds(size: int) -> None:
    with pytest.raises(InvalidSecretError, match="24 to 64"):
        generate_secret(size)
    with pytest.raises(InvalidSecretError, match="24 to 64"):
        check_secret("whsec_" + base64.b64encode(bytes(size)).decode())


def test_secret_within_bounds_is_random() -> None:
    for size in (24, 64):
        secret = check_secret(generate_secret(size))
        assert len(base64.b64decode(secret.removeprefix("whsec_"))) == size
    assert generate_secret() != generate_secret()


def test_white_space_around_a_secret_is_stripped() -> None:
    """For example when it was read from a file."""
    for written in (f"{SECRET}\n", f" {SECRET} "):
        assert check_secret(written) == SECRET
        assert verify(BODY, signed(BODY, SECRET), written, now=NOW).id == ID
        assert verify(BODY, signed(BODY, written), [OTHER, SECRET], now=NOW).id == ID


@pytest.mark.parametrize("secret", ["", "whsec_", SECRET[6:], SECRET[:-1], "whsec_é" + SECRET[7:]])
def test_malformed_secret_is_named_but_never_shown(secret: str) -> None:
    for action in (
        lambda: check_secret(secret),
        lambda: verify(BODY, signed(), secret, now=NOW),
        lambda: verify(BODY, signed(), [SECRET, secret], now=NOW),
        lambda: sign(event_id=ID, timestamp=NOW, body=BODY, secrets=[secret]),
    ):
        with pytest.raises(InvalidSecretError) as caught:
            action()
        assert SECRET[8:20] not in str(caught.value)
        assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_no_secret_is_an_error() -> None:
    with pytest.raises(InvalidSecretError):
        verify(BODY, signed(), [], now=NOW)


@pytest.mark.parametrize(("event_id", "at"), [("a.b", NOW), (ID, NOW.replace(tzinfo=None))])
def test_sign_with_invalid_arguments(event_id: str, at: datetime) -> None:
    with pytest.raises(ValueError, match="must"):
        sign(event_id=event_id, timestamp=at, body=BODY, secrets=[SECRET])


def body_of(data: dict[str, Any], type_: str = "hitl_review.finalized") -> bytes:
    return json.dumps({"type": type_, "timestamp": "2026-03-04T05:06:07.890Z", "data": data}).encode()


def received(body: bytes) -> ReceivedEvent:
    # Not signed with sign(), which accepts only text.
    headers = signed(b"") | {"webhook-signature": expected_signature(SECRET, ID, int(NOW.timestamp()), body)}
    return verify(body, headers, SECRET, now=NOW)


def test_received_event_has_typed_fields() -> None:
    sent = build_event(EventType.FINALIZED, FACTS, at=NOW)
    later = NOW + timedelta(hours=5)
    event = verify(sent.body, signed(sent.body, at=later), SECRET, now=later)
    assert (event.id, event.type) == (ID, "hitl_review.finalized")
    assert event.timestamp == NOW
    assert event.sent_at == later.replace(microsecond=0)
    assert event.session == SessionRef("reports", "manual__1", "report", 3, 1, 2, 5, "Draft the report")
    assert (event.status, event.output, event.output_truncated) == ("approved", "# The report", False)
    assert (event.feedback, event.decided_by) == ("Shorter", Person("7", "ann"))


def test_long_output_is_marked_as_truncated() -> None:
    facts = replace(FACTS, output="x" * 50_000, feedback=None, decided_by=None)
    event = received(build_event(EventType.OUTPUT_READY, facts, at=NOW).body)
    assert event.output_truncated is True
    assert event.output
    assert set(event.output) == {"x"}
    assert (event.feedback, event.decided_by) == (None, None)


def test_unknown_events() -> None:
    event = received(body_of({"status": "test", "news": 1}, "hitl_review.delivery.test"))
    assert (event.type, event.status, event.session) == ("hitl_review.delivery.test", "test", None)
    assert (event.output, event.output_truncated, event.feedback, event.decided_by) == (None, False, None, None)
    assert event.data["news"] == 1


def test_event_status_takes_precedence_over_session_status() -> None:
    session = {"status": "pending_review"}
    assert received(body_of({"session": session})).status == "pending_review"
    assert received(body_of({"session": session, "status": "failed"})).status == "failed"
    assert received(body_of({"session": session, "status": 5})).status == "pending_review"
    assert received(body_of({"session": [], "status": {}})).status is None


SESSION: dict[str, Any] = {
    "dag_id": "d",
    "run_id": "r",
    "task_id": "t",
    "map_index": -1,
    "try_number": 1,
    "iteration": 1,
    "max_iterations": 5,
    "prompt": "",
}


@pytest.mark.parametrize(
    ("change", "formed"),
    [
        ({}, True),
        ({"more": None}, True),
        ({"dag_id": None}, False),
        ({"map_index": True}, False),
        ({"iteration": 1.0}, False),
        ({"max_iterations": "5"}, False),
        ({"prompt": ["p"]}, False),
    ],
)
def test_incomplete_session_is_none(change: dict[str, Any], formed: bool) -> None:
    event = received(body_of({"session": {**SESSION, **change}}))
    assert event.session == (SessionRef(**SESSION) if formed else None)
    assert received(body_of({"session": {k: v for k, v in SESSION.items() if k != "run_id"}})).session is None


@pytest.mark.parametrize(
    ("value", "person"),
    [
        ({"id": "7", "name": "ann"}, Person("7", "ann")),
        ({"id": "7"}, Person("7", "7")),
        ({"id": None, "name": "ann"}, Person("ann", "ann")),
        ({"id": 7}, None),
        ("ann", None),
        (None, None),
    ],
)
def test_decided_by(value: object, person: Person | None) -> None:
    assert received(body_of({"decided_by": value})).decided_by == person


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-04T05:06:07Z", NOW.replace(microsecond=0)),
        ("2026-03-04t05:06:07.890z", NOW),
        ("2026-03-04T05:06:07.890999999Z", NOW.replace(microsecond=890_999)),
        ("2026-03-04T10:36:07.890+05:30", NOW),
        ("2026-03-04T05:06:07.890", None),
        ("2026-03-04 05:06:07Z", None),
        ("2026-01-02", None),
        ("20260102T030405Z", None),
        ("2026-02-30T00:00:00Z", None),
        ("0001-01-01T00:00:00+01:00", None),
        ("٢026-01-02T03:04:05Z", None),
        ("2026-03-04T05:06:07Z\n", None),
    ],
)
@pytest.mark.parametrize("as_cloudevent", [False, True])
def test_timestamps(text: str, expected: datetime | None, as_cloudevent: bool) -> None:
    value = {"type": "t", "timestamp": text, "data": {}}
    if as_cloudevent:
        value = {"specversion": "1.0", "id": ID, "source": "s", "type": "t", "time": text, "data": {}}
    body = json.dumps(value).encode()
    if expected is None:
        with pytest.raises(MalformedEventError, match="RFC 3339"):
            received(body)
    else:
        assert received(body).timestamp == expected
        assert received(body).timestamp.utcoffset() == timedelta()


CLOUDEVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": ID,
    "source": "https://airflow.example.org",
    "type": "hitl_review.finalized",
    "time": "2026-03-04T05:06:07.890Z",
    "subject": "reports/manual__1/report",
    "datacontenttype": "application/json",
    "data": {"status": "approved", "session": SESSION},
}


def test_cloudevents() -> None:
    event = received(json.dumps({**CLOUDEVENT, "extension": 1, "timestamp": 5}).encode())
    assert event == ReceivedEvent(ID, "hitl_review.finalized", NOW, NOW.replace(microsecond=0), CLOUDEVENT["data"])
    assert event.session == SessionRef(**SESSION)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"id": "two"}, "id"),
        ({"id": None}, "id"),
        ({"id": 1}, "id"),
        ({"specversion": "0.3"}, "version"),
        ({"specversion": None}, "version"),
        ({"source": None}, "source"),
        ({"type": 1}, "type"),
        ({"time": None}, "time"),
        ({"data": None}, "data"),
        ({"data": None, "data_base64": "e30="}, "data"),
    ],
)
def test_malformed_cloudevents(change: dict[str, Any], why: str) -> None:
    with pytest.raises(MalformedEventError, match=why):
        received(json.dumps({**CLOUDEVENT, **change}).encode())


@pytest.mark.parametrize("value", [r"\ud800", r"\udc00\ud800"])
def test_non_portable_json_is_malformed(value: str) -> None:
    whole = '{"type":"t","timestamp":"2026-03-04T05:06:07Z","data":{"x":%s}}'
    assert received((whole % r'"\ud83c\udf89"').encode()).data == {"x": "🎉"}
    for wrong in (f'"{value}"', "NaN", "-Infinity", "1e999", f'{{"{value}":1}}'):
        with pytest.raises(MalformedEventError, match="not JSON"):
            received((whole % wrong).encode())
    for encoding in ("utf-16", "utf-32", "utf-8-sig"):
        with pytest.raises(MalformedEventError, match="not JSON"):
            received((whole % 1).encode(encoding))


class Pairs:
    def __init__(self, *pairs: tuple[str, str]) -> None:
        self._pairs = pairs

    def items(self) -> tuple[tuple[str, str], ...]:
        return self._pairs


def test_repeated_header_must_have_the_same_value() -> None:
    body = body_of({})
    headers = signed(body)
    pairs = tuple(headers.items())
    assert verify(body, Pairs(*pairs, *pairs, ("x", "1"), ("x", "2")), SECRET, now=NOW).id == ID
    for name in headers:
        for doubled in (((name.upper(), "1"), *pairs), (*pairs, (name.title(), "1"))):
            with pytest.raises(InvalidSignatureError, match=f"{name} is given twice"):
                verify(body, Pairs(*doubled), SECRET, now=NOW)


def test_receiver_mistakes_are_not_verification_errors() -> None:
    body = body_of({})
    headers: dict[Any, Any] = dict(signed(body))
    payload: Any
    for payload in (body.decode(), bytearray(body), None, {}):
        with pytest.raises(TypeError, match="raw bytes"):
            verify(payload, headers, SECRET, now=NOW)
    wrong: Any
    for wrong in ({b"webhook-id": b"one"}, {"webhook-id": b"one"}, {"webhook-id": ["one"]}):
        with pytest.raises(TypeError, match="strings"):
            verify(body, {**headers, **wrong}, SECRET, now=NOW)
    secret: Any
    for secret in (None, "", [], [None], b"whsec_", 5):
        with pytest.raises(InvalidSecretError):
            verify(body, headers, secret, now=NOW)
    # A missing header is the sender's mistake, however the framework represents it.
    with pytest.raises(MissingHeaderError, match="webhook-id"):
        verify(body, headers | {"webhook-id": None}, SECRET, now=NOW)


def test_error_hierarchy_and_exported_names() -> None:
    for error in (MissingHeaderError, TimestampError, InvalidSignatureError, MalformedEventError):
        assert issubclass(error, WebhookVerificationError)
    for mistake in (InvalidSecretError, InvalidEndpointError):
        assert issubclass(mistake, ValueError)
        assert not issubclass(mistake, WebhookVerificationError)
    exported = [getattr(hitl_webhooks, name) for name in hitl_webhooks.__all__]
    errors = [e for e in exported if isinstance(e, type) and issubclass(e, Exception)]
    assert len(errors) == 10
    assert all(issubclass(e, HITLWebhookError) for e in errors)

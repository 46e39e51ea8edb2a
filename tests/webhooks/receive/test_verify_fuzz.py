"""``verify`` with any bytes returns an event or raises one of its own errors. Also tested with known answers.

``tests/fuzz/fuzz_verify.py`` does the same for any length of time, guided by coverage.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from hitl_webhooks import (
    InvalidSignatureError,
    MalformedEventError,
    ReceivedEvent,
    TimestampError,
    WebhookVerificationError,
    generate_secret,
    sign,
    verify,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
SECONDS = "1767323045"
SECRET, OTHER = generate_secret(), generate_secret(24)
ID = "0b1f8c5e-5a0f-5f51-9d0c-0a0b0c0d0e0f"
BODY = '{"type":"hitl_review.finalized","timestamp":"2026-01-02T03:04:05.000Z","data":{"né":"🎉"}}'.encode()

SHORT = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"  # the bytes 0 to 23
LONG = (
    "whsec_wMHCw8TFxsfIycrLzM3Oz9DR0tPU1dbX2Nna29zd3t/g4eLj5OXm5+jp6uvs7e7v8PHy8/T19vf4+fr7/P3+/w=="  # 192 to 255
)
SLASHES = "whsec_+//7//v/+//7//v/+//7//v/+//7//v/+//7//v/+/8="  # 0xfb 0xff, 16 times

# Secret, id, time, body, signature. The signatures were not made by our code, but by:
#     key = base64.b64decode(secret[6:])
#     content = f"{id}.{time}.".encode() + body
#     "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
# and agree with: openssl dgst -sha256 -mac HMAC -macopt hexkey:<key> -binary <content> | base64
KNOWN: list[tuple[str, str, int, bytes, str]] = [
    (
        SHORT,
        "msg_1",
        1767323045,
        b'{"type":"t","timestamp":"2026-01-02T03:04:05Z","data":{}}',
        "v1,YNnKipy6A6TR28c0ghk2xF+c723cbQuQnNbFvPhYDyo=",
    ),
    (
        LONG,
        ID,
        1,
        '{"type":"hitl_review.finalized","timestamp":"1970-01-01T00:00:01.000Z","data":{"né":"🎉"}}'.encode(),
        "v1,n/sB90xbQzBKe5DmiZQ29CTG3McuJLyTcniq+DthuI0=",
    ),
    (
        SLASHES,
        "e",
        1767323045,
        (
            b'{"specversion":"1.0","id":"e","source":"/airflow","type":"t",'
            b'"time":"2026-01-02T03:04:05.678+05:30","data":{"a":[1,null]}}'
        ),
        "v1,yFK0s1cSQitQhvSwZvzvQg8DEjFsS1DdJmja4Qc5QOs=",
    ),
]
# The same for bodies that are not events: their signature must be accepted.
KNOWN_BUT_NO_EVENT: list[tuple[str, str, int, bytes, str]] = [
    (SHORT, "empty", 1767323045, b"", "v1,BLDC/f2gUEkRvZNiMpy8u8htXcFyVpogxlwjH7zoVZk="),
    (
        "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
        "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
        4102444800,
        b"\xff\x00not JSON, and not even text",
        "v1,8Oha8jCyK7xaYPedoOMH4uIjbAEVuDGdb3hPrljV0kw=",
    ),
]


class Pairs:
    """Headers in which a name may occur twice, as in Starlette's and ``email.message.Message``."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._pairs = pairs

    def items(self) -> list[tuple[str, str]]:
        return self._pairs


def headers_of(event_id: str, seconds: str, signature: str) -> dict[str, str]:
    return {"webhook-id": event_id, "webhook-timestamp": seconds, "webhook-signature": signature}


def signed(body: bytes, *, secret: str = SECRET) -> dict[str, str]:
    """Headers signed by definition: ``sign`` accepts only text and is itself under test."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{ID}.{SECONDS}.".encode() + body, hashlib.sha256).digest()
    return headers_of(ID, SECONDS, "v1," + base64.b64encode(digest).decode())


@pytest.mark.parametrize(("secret", "event_id", "seconds", "body", "signature"), KNOWN + KNOWN_BUT_NO_EVENT)
def test_known_answers(secret: str, event_id: str, seconds: int, body: bytes, signature: str) -> None:
    at = datetime.fromtimestamp(seconds, tz=timezone.utc)
    headers = headers_of(event_id, str(seconds), signature)
    if (secret, event_id, seconds, body, signature) in KNOWN:
        assert sign(event_id=event_id, timestamp=at, body=body, secrets=[secret]) == signature
        event = verify(body, headers, secret, now=at)
        assert (event.id, event.sent_at) == (event_id, at)
    else:
        with pytest.raises(MalformedEventError):
            verify(body, headers, secret, now=at)
    with pytest.raises(InvalidSignatureError):
        verify(body + b" ", headers, secret, now=at)


# Characters that are difficult for parsers and encoders, and any other, including lone surrogates.
anything = st.text(
    st.one_of(st.sampled_from("v1,. =+/0\x00\n\r\ud800\udcff²٣é\u2028🎉"), st.characters(codec=None)), max_size=60
)
names = st.one_of(
    st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature", "Webhook-Id", "WEBHOOK-SIGNATURE"]),
    anything,
)
values = st.one_of(st.sampled_from([ID, SECONDS, "v1,", signed(BODY)["webhook-signature"]]), anything)


@settings(max_examples=500, deadline=None)
@given(
    payload=st.one_of(st.just(BODY), st.binary(max_size=300)),
    pairs=st.lists(st.tuples(names, values), max_size=8),
    full=st.booleans(),
)
def test_arbitrary_requests_raise_only_verification_errors(
    payload: bytes, pairs: list[tuple[str, str]], full: bool
) -> None:
    if full:  # all three are present, so that verification gets past this check
        pairs = [*headers_of("x", SECONDS, "v1,x").items(), *pairs]
    try:
        event = verify(payload, Pairs(pairs), SECRET, now=NOW)
    except WebhookVerificationError:
        return
    # All three correct values can be drawn, though this is unlikely.
    assert payload == BODY
    assert event.id == ID


@st.composite
def another(draw: DrawFn, original: bytes) -> bytes:
    """``original`` with something removed, added or changed."""
    start = draw(st.integers(0, len(original)))
    end = draw(st.integers(start, min(len(original), start + 3)))
    return original[:start] + draw(st.binary(max_size=3)) + original[end:]


@settings(max_examples=500, deadline=None)
@given(data=st.data(), part=st.sampled_from(["body", "webhook-id", "webhook-timestamp", "webhook-signature"]))
def test_changed_signed_requests_are_refused(data: st.DataObject, part: str) -> None:
    body, headers = BODY, signed(BODY)
    if part == "body":
        body = data.draw(another(BODY))
    else:
        original = headers[part]
        # Headers arrive as Latin-1 from most servers.
        headers[part] = data.draw(
            st.one_of(another(original.encode()).map(lambda b: b.decode("latin-1")), anything)
        )
    if (body, headers) == (BODY, signed(BODY)):
        assert verify(body, headers, SECRET, now=NOW).id == ID
    elif part == "webhook-signature" and signed(BODY)[part] in headers[part].split(" "):
        assert verify(body, headers, SECRET, now=NOW).id == ID  # one good signature in a list is enough
    else:
        with pytest.raises(WebhookVerificationError):
            verify(body, headers, SECRET, now=NOW)


@pytest.mark.parametrize("seconds", ["0" + SECONDS, "00" + SECONDS, SECONDS + " ", "+" + SECONDS])
def test_timestamp_has_only_one_valid_form(seconds: str) -> None:
    with pytest.raises(TimestampError):
        verify(BODY, signed(BODY) | {"webhook-timestamp": seconds}, SECRET, now=NOW)


json_values: SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=10),
    lambda inside: (
        st.lists(inside, max_size=4)
        | st.dictionaries(st.text(st.characters(codec=None), max_size=5), inside, max_size=4)
    ),
    max_leaves=12,
)
times = st.one_of(
    st.sampled_from(["2026-01-02T03:04:05Z", "2026-01-02t03:04:05.1234567z", "0001-01-01T00:00:00+23:59"]),
    st.sampled_from(["9999-12-31T23:59:59-01:00", "2026-02-30T00:00:00Z", "2026-01-02T03:04:60Z", "2026-01-02"]),
    st.datetimes().map(lambda at: at.isoformat() + "Z"),
    json_values,
)
sessions = st.fixed_dictionaries(
    {
        "dag_id": st.just("d") | json_values,
        "run_id": st.just("r"),
        "task_id": st.just("t"),
        "map_index": st.just(-1) | json_values,
        "try_number": st.just(1),
        "iteration": st.just(2) | json_values,
        "max_iterations": st.just(5),
        "prompt": st.just("p") | json_values,
    },
    optional={"status": json_values},
)
payloads = st.one_of(
    st.fixed_dictionaries(
        {},
        optional={
            "status": json_values,
            "session": sessions | json_values,
            "output": json_values,
            "output_truncated": json_values,
            "feedback": json_values,
            "decided_by": st.fixed_dictionaries({}, optional={"id": json_values, "name": json_values})
            | json_values,
        },
    ),
    json_values,
)
standard = st.fixed_dictionaries(
    {"type": st.text(max_size=10) | json_values, "timestamp": times, "data": payloads},
    optional={"more": json_values},
)
cloudevents = st.fixed_dictionaries(
    {
        "specversion": st.just("1.0") | json_values,
        "id": st.just(ID) | json_values,
        "source": st.just("/airflow") | json_values,
        "type": st.text(max_size=10),
        "time": times,
        "data": payloads,
    }
)
bodies = st.one_of(
    st.binary(max_size=200),
    json_values.map(lambda value: json.dumps(value).encode()),
    st.one_of(standard, cloudevents).map(lambda value: json.dumps(value).encode()),
    st.one_of(standard, cloudevents).map(
        lambda value: json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
    ),
    standard.map(lambda value: json.dumps(value).encode("utf-16")),
)


@settings(max_examples=700, deadline=None)
@given(body=bodies)
def test_signed_bodies_are_events_or_malformed(body: bytes) -> None:
    try:
        event = verify(body, signed(body), SECRET, now=NOW)
    except MalformedEventError:
        return
    check(event)


@settings(max_examples=200, deadline=None)
@given(
    type_=st.text(st.characters(codec="utf-8"), max_size=20),
    local=st.datetimes(),
    minutes=st.just(0) | st.integers(-1439, 1439),
    data=st.dictionaries(
        st.text(st.characters(codec="utf-8")), st.integers() | st.text(st.characters(codec="utf-8"))
    ),
    as_cloudevent=st.booleans(),
)
def test_every_valid_event_is_accepted(
    type_: str, local: datetime, minutes: int, data: dict[str, Any], as_cloudevent: bool
) -> None:
    at = local.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    try:
        expected = at.astimezone(timezone.utc)
    except OverflowError:  # just outside the supported date range
        return
    body: dict[str, Any] = {"type": type_, "timestamp": at.isoformat(), "data": data, "unknown": [None]}
    if as_cloudevent:
        body = {"specversion": "1.0", "id": ID, "source": "s", "type": type_, "time": at.isoformat(), "data": data}
    raw = json.dumps(body).encode()
    event = verify(raw, signed(raw), SECRET, now=NOW)
    assert event == ReceivedEvent(ID, type_, expected, NOW, data)
    check(event)


def check(event: ReceivedEvent) -> None:
    """Properties of an accepted event do not raise, and it can be passed on."""
    assert event.id == ID
    assert event.timestamp.utcoffset() == timedelta()
    assert event.sent_at == NOW
    assert isinstance(event.type, str)
    for text in (event.status, event.output, event.feedback):
        assert text is None or isinstance(text, str)
    assert event.output_truncated in (True, False)
    session = event.session
    if session is not None:
        assert all(
            isinstance(text, str) for text in (session.dag_id, session.run_id, session.task_id, session.prompt)
        )
        assert all(type(number) is int for number in (session.map_index, session.iteration, session.max_iterations))
    person = event.decided_by
    assert person is None or (isinstance(person.id, str) and isinstance(person.name, str))
    again = json.dumps({"type": event.type, "data": event.data}, ensure_ascii=False, allow_nan=False).encode(
        "utf-8"
    )
    assert json.loads(again)["data"] == event.data

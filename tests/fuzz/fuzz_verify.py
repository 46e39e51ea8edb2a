"""Fuzzing of ``verify``, guided by coverage, with atheris; for as long as one likes.

Not a test: pytest does not collect it, and atheris is no dependency of this project. From the project's folder::

    python3.11 -m venv /tmp/fuzz && /tmp/fuzz/bin/pip install atheris httpx
    PYTHONPATH=webhooks /tmp/fuzz/bin/python tests/fuzz/fuzz_verify.py -max_total_time=300

Anything that leaves ``verify`` and is no ``WebhookVerificationError`` ends the run with a crash file, to be given
as the argument of another run. What was found interesting is kept in the temporary folder ``hitl-fuzz-verify``,
so that the next run goes on from there.

An input is one byte that says how to read the rest: as a request (id, time, signature, a repeated header and the
body, separated by two zero bytes), as a body that is then signed rightly, or as edits of an event that is then
signed rightly. Without the last, hardly any mutation would still be JSON.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import sys
import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import atheris  # type: ignore[import-not-found,import-untyped,unused-ignore]  # not a dependency, see above

with atheris.instrument_imports(include=["hitl_webhooks", "json"]):
    from hitl_webhooks import WebhookVerificationError, verify
    from hitl_webhooks.receive.received import ReceivedEvent

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
SECONDS = "1767323045"
ID = "0b1f8c5e"
KEY = bytes(range(32))
SECRETS = ["whsec_" + base64.b64encode(key).decode() for key in (KEY, KEY[:24])]

REQUEST_LATIN_1, REQUEST_UTF_8, SIGNED, EDITED = range(4)
"""The first byte, modulo 4. Header bytes are decoded as most servers do, or so that half surrogates come out."""

STANDARD = (
    b'{"type":"hitl_review.finalized","timestamp":"2026-01-02T03:04:05.678Z","data":{"status":"approved","session":'
    b'{"dag_id":"d","run_id":"r","task_id":"t","map_index":-1,"try_number":1,"status":"approved","iteration":2,'
    b'"max_iterations":5,"prompt":"p"},"output":"\\ud83c\\udf89","output_truncated":true,"feedback":null,'
    b'"decided_by":{"id":"1","name":"ann"}}}'
)
CLOUDEVENT = (
    b'{"specversion":"1.0","id":"0b1f8c5e","source":"/airflow","type":"t","time":"2026-01-02T03:04:05+05:30",'
    b'"subject":"s","datacontenttype":"application/json","data":{"feedback":"more","decided_by":{"id":"1"}}}'
)


# Times that are wrong each in its own way, numbers that are none elsewhere, texts that cannot be encoded.
VALUES: list[object] = [None, True, False, 0, -1, 10**400, 1.5, float("inf"), float("nan"), [], {}, [[]], {"id": 1}]
VALUES += [
    "",
    "1.0",
    "approved",
    ID,
    "\ud800",
    "\0",
    "e\u0301",
    "2026-01-02T03:04:05Z",
    "0001-01-01T00:00:00+23:59",
]
VALUES += [
    "9999-12-31T23:59:59.999999-23:59",
    "2026-02-30T00:00:00Z",
    "2026-01-02T24:00:00Z",
    "2026-01-02T03:04:60Z",
]


class Pairs:
    """Headers in which a name may come twice."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._pairs = pairs

    def items(self) -> list[tuple[str, str]]:
        return self._pairs


def signature(event_id: bytes, seconds: bytes, body: bytes) -> bytes:
    digest = hmac.new(KEY, event_id + b"." + seconds + b"." + body, hashlib.sha256).digest()
    return b"v1," + base64.b64encode(digest)


def read(data: bytes) -> tuple[bytes, list[tuple[str, str]]]:
    """The request that an input stands for."""
    mode, rest = (data[0] % 4, data[1:]) if data else (0, b"")
    if mode in (SIGNED, EDITED):
        body = edited(rest) if mode == EDITED else rest
        signed = signature(ID.encode(), SECONDS.encode(), body).decode()
        return body, [("webhook-id", ID), ("Webhook-Timestamp", SECONDS), ("webhook-signature", signed)]
    parts = (rest.split(b"\0\0", 4) + [b""] * 5)[:5]
    encoding, errors = ("latin-1", "strict") if mode == REQUEST_LATIN_1 else ("utf-8", "surrogateescape")
    event_id, seconds, signed, again = (part.decode(encoding, errors) for part in parts[:4])
    pairs = [("Webhook-Id", event_id), ("webhook-timestamp", seconds), ("WEBHOOK-SIGNATURE", signed)]
    name, colon, value = again.partition(":")
    return parts[4], [*pairs, (name, value)] if colon else pairs


def edited(edits: bytes) -> bytes:
    """An event after some edits of three bytes each: where, what to put there, how."""
    first = edits[0] if edits else 0
    body = json.loads(CLOUDEVENT if first & 1 else STANDARD)
    for at in range(1, len(edits) - 2, 3):
        where, what, how = edits[at : at + 3]
        objects = list(all_objects(body))
        target = objects[where % len(objects)]
        keys = [*target, "specversion", "id", "time", "timestamp", "data", "session", "status"]
        key = keys[(where // len(objects)) % len(keys)]
        if how == 0:
            target.pop(key, None)
        elif how < 128:
            target[key] = json.loads(json.dumps(VALUES[what % len(VALUES)]))
        elif isinstance(text := target.get(key), str):  # one other character in a text
            position = how % (len(text) + 1)
            target[key] = text[:position] + chr(what) + text[position + 1 :]
    return json.dumps(body, ensure_ascii=bool(first & 2)).encode("utf-8", "surrogatepass")


def all_objects(value: object) -> Iterator[dict[str, object]]:
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from all_objects(inner)


def check(event: ReceivedEvent) -> None:
    """What was accepted can be read and passed on."""
    assert event.timestamp.utcoffset() == event.sent_at.utcoffset() == timedelta()
    for text in (event.type, event.status, event.output, event.feedback):
        assert text is None or isinstance(text, str)
    assert isinstance(event.output_truncated, bool)
    _ = event.session, event.decided_by
    json.dumps([event.id, event.type, event.data], ensure_ascii=False, allow_nan=False).encode("utf-8")


def one_input(data: bytes) -> None:
    payload, pairs = read(data)
    try:
        event = verify(payload, Pairs(pairs), SECRETS, now=NOW)
    except WebhookVerificationError:
        return
    check(event)


def seeds() -> list[bytes]:
    id_, now = ID.encode(), SECONDS.encode()
    requests = [
        [id_, now, signature(id_, now, STANDARD), b"", STANDARD],
        [id_, now, b"v1, v1a,\xff " + signature(id_, now, b"{}"), b"webhook-id:z", b"{}"],
        [id_, now, b"v1,AAAA", b"webhook-id:" + id_, STANDARD],
        [b"x.y", now, b"v1,AAAA", b"", STANDARD],
        [b"\xff", now, b"v1,AAAA", b"", STANDARD],
        [id_, b"999999999999", b"v1,AAAA", b"", STANDARD],
        [id_, b"01767323045", b"v1,AAAA", b"", STANDARD],
    ]
    bodies = [
        STANDARD,
        CLOUDEVENT,
        b"[" * 2000,
        b'{"a":1e999}',
        b'{"type":"\\ud800"}',
        b"9" * 5000,
        STANDARD.decode().encode("utf-16"),
    ]
    return [
        *(bytes([m]) + b"\0\0".join(p) for m in (REQUEST_LATIN_1, REQUEST_UTF_8) for p in requests),
        *(bytes([SIGNED]) + body for body in bodies),
        *(bytes([EDITED, first]) + bytes(range(30)) for first in range(4)),
    ]


def main() -> None:
    corpus = Path(tempfile.gettempdir()) / "hitl-fuzz-verify"
    corpus.mkdir(exist_ok=True)
    for number, seed in enumerate(seeds()):
        (corpus / f"seed-{number}").write_bytes(seed)
    crash_files = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    atheris.enabled_hooks.add("RegEx")
    atheris.Setup(
        [*sys.argv, "-max_len=8192", "-use_value_profile=1", *([] if crash_files else [str(corpus)])], one_input
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main()

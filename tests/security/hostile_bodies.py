"""Request bodies that every route must refuse, each with words that the error must contain."""

from __future__ import annotations

import json

from airflow_hitl_review.web.http.field_limits import MAX_BODY_BYTES, MAX_BODY_DEPTH, MAX_FEEDBACK_LENGTH

LARGEST_FEEDBACK = json.dumps({"feedback": "🎌" * MAX_FEEDBACK_LENGTH}).encode()
"""The longest feedback in its longest encoding."""

TOO_LARGE_FEEDBACK = json.dumps({"feedback": "x" * MAX_BODY_BYTES}).encode()

_NUMBER = "has a number that cannot be used"
_DEEP = f"at most {MAX_BODY_DEPTH} levels"
_TOO_DEEP = MAX_BODY_DEPTH  # one level is the body itself


def _with(value: bytes, name: bytes = b"more") -> bytes:
    """A valid request for changes, except for one additional field."""
    return b'{"feedback": "shorter", "' + name + b'": ' + value + b"}"


HOSTILE = {
    "NUL": (_with(rb'"a\u0000b"', b"output_sha256"), "U+0000"),
    "NUL that is not escaped": (_with(b'"a\x00b"'), "is not JSON"),
    "NUL in a name": (_with(b"1", rb"\u0000"), "U+0000"),
    "NUL deep inside": (_with(rb'[{"a": ["\u0000"]}]'), "U+0000"),
    "nothing but NUL": (b"\x00" * 1000, "is not JSON"),
    "half a surrogate pair": (_with(rb'"\ud800"', b"output_sha256"), "U+D800"),
    "the other half": (_with(rb'"\udfff"'), "U+DFFF"),
    "half a pair in a name": (_with(b"1", rb"\ud800"), "U+D800"),
    "half a pair as a choice": (_with(rb'"\ud800"', b"channel"), "U+D800"),
    "not UTF-8": (_with('"é"'.encode("latin-1")), "is not UTF-8"),
    "surrogates in UTF-8": (_with('"\ud800"'.encode("utf-8", "surrogatepass")), "is not UTF-8"),
    "UTF-16": ('{"feedback": "shorter"}'.encode("utf-16"), "is not UTF-8"),
    "not a number": (_with(b"NaN", b"iteration"), _NUMBER),
    "infinity": (_with(b"-Infinity", b"iteration"), _NUMBER),
    "infinity written otherwise": (_with(b"1e999", b"iteration"), _NUMBER),
    "not a number where nobody looks": (_with(b"[NaN]"), _NUMBER),
    "5000 digits": (_with(b"9" * 5000, b"iteration"), _NUMBER),
    "100 digits": (_with(b"9" * 100, b"iteration"), "less than or equal to 2147483647"),
    "lists in lists": (_with(b"[" * _TOO_DEEP + b"]" * _TOO_DEEP), _DEEP),
    "objects in objects": (_with(b'{"a":' * _TOO_DEEP + b"1" + b"}" * _TOO_DEEP), _DEEP),
    "as deep as Python reads": (_with(b"[" * 900 + b"]" * 900), _DEEP),
    "deeper than Python reads": (_with(b"[" * 500_000 + b"]" * 500_000), _DEEP),
    "never closed": (b"[" * 500_000, _DEEP),
    "larger than any body": (TOO_LARGE_FEEDBACK, f"at most {MAX_BODY_BYTES} bytes"),
}

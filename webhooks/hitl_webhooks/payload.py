"""Parses a standard body for other formats."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

_INVISIBLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True)
class Payload:
    """A parsed standard body. A field with the wrong type counts as absent."""

    type: str
    timestamp: str
    data: dict[str, Any]
    session: dict[str, Any]

    @classmethod
    def read(cls, body: bytes) -> Payload:
        event = json.loads(body)
        known = event if isinstance(event, dict) else {}
        type_, timestamp, data = known.get("type"), known.get("timestamp"), known.get("data")
        if not (isinstance(type_, str) and isinstance(timestamp, str) and isinstance(data, dict)):
            raise ValueError("The body is not an object with type, timestamp and data.")
        session = data.get("session")
        return cls(type_, timestamp, data, session if isinstance(session, dict) else {})

    def text(self, name: str) -> str:
        """Return a text of ``data`` or of its session, without invisible characters."""
        value = self.data.get(name, self.session.get(name))
        return _INVISIBLE.sub("", value.replace("\r\n", "\n").replace("\r", "\n")) if isinstance(value, str) else ""

    def word(self, name: str) -> str:
        """Return the text on one line."""
        return one_line(self.text(name))

    def number(self, name: str) -> int | None:
        value = self.session.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    @property
    def status(self) -> str:
        return self.word("status")

    @property
    def review_url(self) -> str:
        links = self.data.get("links")
        link = links.get("review") if isinstance(links, dict) else None
        return link if isinstance(link, str) else ""

    @property
    def decided_by(self) -> str:
        person = self.data.get("decided_by")
        name = (person.get("name") or person.get("id")) if isinstance(person, dict) else None
        return one_line(_INVISIBLE.sub("", name)) if isinstance(name, str) else ""

    @property
    def source(self) -> str:
        """CloudEvents source as a URI reference: the DAG in Airflow, or Airflow itself without a DAG."""
        link = self.review_url
        if self.session:
            link = link.rpartition("/runs/")[0] or f"/dags/{quote(self.word('dag_id'), safe='')}"
        return _uri(link)

    @property
    def subject(self) -> str | None:
        """CloudEvents subject within the source: the task instance."""
        if not self.session:
            return None
        map_index = self.number("map_index")
        mapped = f"[{map_index}]" if map_index is not None and map_index >= 0 else ""
        return f"{self.word('run_id')}/{self.word('task_id')}{mapped}"


def encode(value: object) -> bytes:
    """Encode JSON for posting; lone surrogates, which UTF-8 cannot encode, become question marks."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _uri(text: str) -> str:
    """Percent-encode characters not allowed in a URI reference; existing escapes are kept."""
    scheme, mark, rest = text.partition("://")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme):
        mark = ""
    host, slash, path = rest.partition("/") if mark else ("", "/", text.removeprefix("/"))
    path = re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", path)
    return (scheme + mark if mark else "") + quote(host, safe="[]:@") + slash + quote(path, safe="/%?:@!$&'()*+,;=")


def one_line(text: str) -> str:
    """Collapse each run of whitespace in ``text`` to one space."""
    return " ".join(text.split())

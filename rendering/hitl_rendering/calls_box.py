"""What an agent asks before it goes on: calls of tools, and questions, as the reviewer reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from hitl_rendering.code import code
from hitl_rendering.json_tree import Document
from hitl_rendering.plain_text import inline, isolated, plain
from hitl_rendering.render import time_html

_LONG = 200
"""Characters; a longer text of an argument is laid out as a block."""


class Call(Protocol):
    """What is known of a call besides its arguments."""

    @property
    def tool_call_id(self) -> str:
        """The model's id of the call."""

    @property
    def description(self) -> str:
        """What the tool does."""

    @property
    def metadata(self) -> Mapping[str, Any] | None:
        """What the tool says of the call."""


class Begun(Protocol):
    """Calls that an earlier try of the task has begun to make."""

    @property
    def try_number(self) -> int:
        """Number of the try."""

    @property
    def at(self) -> datetime:
        """When."""

    @property
    def calls(self) -> Sequence[str]:
        """The calls, as one would write them in Python."""


class Request(Protocol):
    """What an agent asks."""

    @property
    def kind(self) -> str:
        """``"tool_calls"`` or ``"question"``."""

    @property
    def calls(self) -> Sequence[Call]:
        """The calls."""

    @property
    def earlier(self) -> Sequence[Begun]:
        """What earlier tries have begun."""


def calls_html(text: str, request: Request | None = None) -> str:
    """Return a request, or a reviewer's answer to it, as a list of calls.

    Args:
        text: the JSON of ``{tool_call_id: {"tool_name", "args", "approved", "reason"}}``; a question has
            ``"answer"`` in place of the last two. If it is something else, it is shown as it is.
        request: what is known besides; None of an earlier request.
    """
    known = {call.tool_call_id: call for call in request.calls} if request is not None else {}
    try:
        items = [_call(call, known.get(id_)) for id_, call in json.loads(text).items()]
    except (ValueError, AttributeError, TypeError, KeyError, RecursionError):
        return plain(text)
    earlier = "".join(map(_begun, request.earlier)) if request is not None else ""
    return f'{earlier}<ol class="hitl-calls">{"".join(items)}</ol>'


def _begun(begun: Begun) -> str:
    calls = "".join(f"<li><code>{inline(call)}</code></li>" for call in begun.calls)
    return (
        f'<div class="hitl-call-earlier">Try {begun.try_number} of the task began these calls, '
        f"{time_html(begun.at)}. Look whether they were made, before you approve the same again:"
        f"<ul>{calls}</ul></div>"
    )


def _call(call: Mapping[str, Any], known: Call | None) -> str:
    args: Mapping[str, Any] = call["args"]
    rows = "".join(f"<dt>{isolated(name)}</dt><dd>{_value(value)}</dd>" for name, value in args.items())
    shown = f"<dl>{rows}</dl>" if rows else '<div class="hitl-meta">without arguments</div>'
    about = f'<div class="hitl-meta">{inline(known.description)}</div>' if known and known.description else ""
    if known and known.metadata:
        shown += f'<div class="hitl-meta">{inline(json.dumps(known.metadata, ensure_ascii=False))}</div>'
    said = ""
    if call.get("answer"):
        said = f'<div class="hitl-call-said">Answer: {inline(call["answer"])}</div>'
    elif call.get("approved") is False:
        reason = f": {inline(call['reason'])}" if call.get("reason") else ""
        said = f'<div class="hitl-call-said is-denied">Denied{reason}</div>'
    return f'<li class="hitl-call"><b>{isolated(str(call["tool_name"]))}</b>{about}{shown}{said}</li>'


def _value(value: Any) -> str:
    if isinstance(value, str):
        if "\n" in value or len(value) > _LONG:
            return code(value, "")
        return inline(value) if value else '<span class="hitl-meta">empty</span>'
    if isinstance(value, dict | list) and value:
        return Document(json.dumps(value)).tree()
    return f"<code>{inline(json.dumps(value))}</code>"

"""Builds a message for a Slack incoming webhook from an event."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any
from urllib.parse import urlsplit

from hitl_webhooks.events import EventType
from hitl_webhooks.payload import Payload, one_line
from hitl_webhooks.send.mrkdwn import cut, escape, mrkdwn, quoted, size

# Slack. Limits: docs.slack.dev/reference/block-kit. They are given in characters, but several projects found
# that Slack counts bytes, and rejects the whole message if one text is too long. So here they are UTF-8 bytes
# after escaping, which are never fewer than the characters. All texts of a message together stay under 8,000,
# well below the total at which messages are rejected (about 13,000, undocumented).
_HEADER_BYTES = 150
_TEXT_BYTES = 3_000
_ASIDE_BYTES = 1_500
_FALLBACK_BYTES = 500
_URL_CHARACTERS = 3_000

_HEADLINES = {
    "pending_review": "Review needed",
    "changes_requested": "Changes requested",
    "approved": "Approved",
    "rejected": "Rejected",
    "timeout_exceeded": "Timed out",
    "max_iterations_exceeded": "Ended without approval",
    "abandoned": "Abandoned",
    "failed": "Failed",
    "test": "Test message from hitl-notebook",
}
_CUT_NOTE = "\n_Cut here. The whole text is in the review._"


def slack_message(event: Payload) -> dict[str, Any]:
    """Return the message, with blocks within Slack's limits and all outside text escaped."""
    headline = _HEADLINES.get(event.status, "Review")
    if event.status == "changes_requested" and event.text("request_kind"):
        headline = "Answered"  # the agent goes on
    if event.session:
        headline += f": {event.word('dag_id')} › {event.word('task_id')}"
    prompt, feedback = event.text("prompt"), event.text("feedback")
    blocks = [
        {"type": "header", "text": _plain(headline, _HEADER_BYTES)},
        _context(event),
        _section("", mrkdwn(event.text("message"), _TEXT_BYTES), _TEXT_BYTES),
        _section("*Prompt*\n", mrkdwn(prompt, _ASIDE_BYTES), _ASIDE_BYTES),
        _section("*Feedback*\n", quoted(feedback), _ASIDE_BYTES),
        _section(
            "*The agent asks*\n" if event.text("request_kind") else "*Output*\n",
            mrkdwn(event.text("output"), _TEXT_BYTES),
            _TEXT_BYTES,
            event.data.get("output_truncated") is True,
        ),
        _button(event),
    ]
    fallback = " – ".join(part for part in (headline, one_line(prompt)) if part)
    return {
        "text": cut(escape(fallback), _FALLBACK_BYTES),
        # A link preview would make Slack fetch any URL in a text.
        "unfurl_links": False,
        "unfurl_media": False,
        "blocks": [block for block in blocks if block is not None],
    }


def _plain(text: str, limit: int) -> dict[str, Any]:
    return {"type": "plain_text", "text": cut(escape(text), limit), "emoji": False}


def _section(label: str, text: str, limit: int, is_part: bool = False) -> dict[str, Any] | None:
    """Return a section block of mrkdwn ``text``; truncated and marked so if too long or partial."""
    if not text:
        return None
    room = limit - size(label)
    if is_part or size(text) > room:
        closing = "\n```"
        text = cut(text, room - size(closing + _CUT_NOTE))
        text += (closing if text.count("```") % 2 else "") + _CUT_NOTE
    # verbatim: @here and bare URLs stay plain text.
    return {"type": "section", "text": {"type": "mrkdwn", "text": label + text, "verbatim": True}}


def _context(event: Payload) -> dict[str, Any] | None:
    if not event.session:
        return None
    output, outputs = event.number("iteration"), event.number("max_iterations")
    map_index = event.number("map_index")
    facts = [
        f"Run {event.word('run_id')}",
        f"Map index {map_index}" if map_index is not None and map_index >= 0 else "",
        f"Output {output} of {outputs}" if output is not None and outputs is not None else "",
        f"By {event.decided_by}" if event.decided_by else "",
    ]
    elements = [_plain(" · ".join(fact for fact in facts if fact), _FALLBACK_BYTES)]
    deadline = _time(event.session.get("deadline_at"))
    if deadline is not None and event.type != EventType.FINALIZED.value:
        in_words = f"{deadline:%Y-%m-%d %H:%M} UTC"  # fallback for clients that cannot show the reader's time zone
        due = f"Due <!date^{int(deadline.timestamp())}^{{date_short_pretty}} at {{time}}|{in_words}>"
        elements.append({"type": "mrkdwn", "text": due, "verbatim": True})
    return {"type": "context", "elements": elements}


def _button(event: Payload) -> dict[str, Any] | None:
    """Return a button that opens the review, or None without a URL that Slack accepts.

    After a click Slack shows a warning sign next to it if the app has no interactivity URL; the review opens
    anyway.
    """
    if not _is_web_address(event.review_url):
        return None
    button: dict[str, Any] = {"type": "button", "url": event.review_url, "action_id": "open"}
    if event.type == EventType.OUTPUT_READY.value:
        button |= {"text": _plain("Review", 75), "style": "primary"}
    else:
        button |= {"text": _plain("Open in Airflow", 75)}
    return {"type": "actions", "elements": [button]}


def _is_web_address(url: str) -> bool:
    if len(url) > _URL_CHARACTERS or not url.isascii() or not url.isprintable() or re.search(r"[\s<>|\"]", url):
        return False
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # for example, an invalid port
        return False


def _time(value: object) -> datetime | None:
    try:
        at = datetime.fromisoformat(value.replace("Z", "+00:00")) if isinstance(value, str) else None
        return at.astimezone(timezone.utc) if at is not None and at.tzinfo is not None and at.year > 1970 else None
    except (ValueError, OverflowError):
        return None

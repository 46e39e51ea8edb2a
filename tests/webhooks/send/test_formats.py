"""Real events in each format: CloudEvents as read by its SDK, Slack messages within Slack's rules."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote

import pytest
from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from hypothesis import example, given, settings
from hypothesis import strategies as st

from demo.processes import PATIENCE
from hitl_webhooks import EventType, Person, ReviewFacts, build_event
from hitl_webhooks.events import build_test_event
from hitl_webhooks.send import formats
from hitl_webhooks.send.formats import Rendered, format_names, get_format, register

AT = datetime(2026, 1, 31, 9, 30, tzinfo=timezone.utc)
ID = "0b1f8c5e-5a0f-5f51-9d0c-0a0b0c0d0e0f"
FACTS = ReviewFacts(
    task_instance_id="018f3c5e-7a1b-7c3d-8e4f-5a6b7c8d9e0f",
    dag_id="reports",
    run_id="manual__1",
    task_id="report",
    map_index=-1,
    try_number=1,
    status="pending_review",
    session_status="pending_review",
    iteration=2,
    max_iterations=5,
    prompt="Draft the report",
    output="# Sales\nUp by **4 %**.",
    created_at=AT,
    links={"review": "https://airflow.example/dags/reports/runs/manual__1/tasks/report"},
)
DECIDED = replace(
    FACTS,
    status="approved",
    session_status="approved",
    feedback="Fine & short",
    decided_by=Person("7", "Zoë"),
    decided_at=AT,
    deadline_at=AT + timedelta(hours=2),
)

CONTROLS = ["<!channel>", "<@U1>", "<#C1>", "<!subteam^S1>", "<http://evil|click>", "<!date^0^{date}|x>", "@here"]
MARKS = ["&amp;", "&", "<", ">", ">>>", "`", "``", "```", "~~~", "*", "**", "_", "#", "-", "|", "|---|", "\\", '"']
LINKS = ["[a](https://x.example/?a=1&b=2)", "[a](javascript:alert(1))", "![", "](", "](https://x.example)"]
LETTERS = ["word", "é", "漢", "🎉", "👩\u200d👩\u200d👧", "\u200b", "\u202e"]
BLANKS = [" ", "\n", "\r\n", "\r", "\t", "\x00", "\x1b", "\x85", "\u2028"]
HOSTILE = st.lists(
    st.sampled_from([*CONTROLS, *MARKS, *LINKS, *LETTERS, *BLANKS]) | st.text(max_size=8), max_size=30
).map("".join)
TIMES = st.sampled_from([1, 1, 10, 400])


def slack(type_: EventType = EventType.OUTPUT_READY, facts: ReviewFacts = FACTS) -> dict[str, Any]:
    return checked_slack(build_event(type_, facts, at=AT).body)


def section(message: dict[str, Any], label: str = "Output") -> str | None:
    """The text of the section with that label, as mrkdwn."""
    start = f"*{label}*\n"
    texts = [b["text"]["text"] for b in message["blocks"] if b["type"] == "section"]
    return next((text.removeprefix(start) for text in texts if text.startswith(start)), None)


# --- Slack's rules: docs.slack.dev/reference/block-kit and docs.slack.dev/messaging/formatting-message-text ---

OUR_MARKUP = re.compile(
    r"<https?://[^<>|\s]+(\|[^<>|\n]+)?>"
    r"|<!date\^\d+\^\{date_short_pretty\} at \{time\}\|\d{4}-\d\d-\d\d \d\d:\d\d UTC>"
    r"|^>",
    re.MULTILINE,
)


def assert_inert(text: str) -> None:
    """No control characters of Slack except in markup that we create ourselves."""
    left = OUR_MARKUP.sub("", text)
    assert "<" not in left
    assert ">" not in left
    assert not re.search(r"&(?!amp;|lt;|gt;)", text)


def assert_text(value: dict[str, Any], kinds: set[str], limit: int) -> None:
    assert value["type"] in kinds
    assert set(value) == {"type", "text", "emoji" if value["type"] == "plain_text" else "verbatim"}
    assert value["text"].strip()
    assert len(value["text"].encode()) <= limit  # in bytes: never less than in characters
    if value["type"] == "plain_text":
        assert value["emoji"] is False
        assert not re.search("[<>]", value["text"])
    else:
        assert value["verbatim"] is True
        assert value["text"].count("```") % 2 == 0
    assert_inert(value["text"])


def assert_button(button: dict[str, Any]) -> None:
    assert set(button) - {"style"} == {"type", "text", "url", "action_id"}
    assert button["type"] == "button"
    assert_text(button["text"], {"plain_text"}, 75)
    assert len(button["url"]) <= 3000
    assert re.fullmatch(r"https?://[^\s<>]+", button["url"])
    assert button.get("style", "primary") == "primary"
    assert 0 < len(button["action_id"]) <= 255


def assert_block(block: dict[str, Any]) -> None:
    match block["type"]:
        case "header":
            assert_text(block["text"], {"plain_text"}, 150)
        case "section":
            assert_text(block["text"], {"mrkdwn"}, 3000)
        case "context":
            assert 1 <= len(block["elements"]) <= 10
            for element in block["elements"]:
                assert_text(element, {"plain_text", "mrkdwn"}, 3000)
        case "actions":
            assert 1 <= len(block["elements"]) <= 25
            for element in block["elements"]:
                assert_button(element)
        case other:
            pytest.fail(f"a block of type {other}")


def checked_slack(body: bytes) -> dict[str, Any]:
    """Render, check against Slack's rules and return the message."""
    rendered = get_format("slack").render(ID, body)
    assert rendered.content_type == "application/json"
    message: dict[str, Any] = json.loads(rendered.body)
    assert set(message) == {"text", "unfurl_links", "unfurl_media", "blocks"}
    assert message["unfurl_links"] is message["unfurl_media"] is False
    assert message["text"].strip()
    assert len(message["text"].encode()) <= 4000
    assert not re.search("[<>]", message["text"])
    assert_inert(message["text"])
    assert 1 <= len(message["blocks"]) <= 50
    for block in message["blocks"]:
        assert_block(block)
    assert len(rendered.body) < 12_000  # the total size at which Slack refuses a message is not documented
    return message


def test_complete_slack_message() -> None:
    facts = replace(FACTS, map_index=3, deadline_at=AT + timedelta(hours=2))
    assert slack(facts=facts) == {
        "text": "Review needed: reports › report – Draft the report",
        "unfurl_links": False,
        "unfurl_media": False,
        "blocks": [
            {
                "type": "header",
                "text": {"type": "plain_text", "text": "Review needed: reports › report", "emoji": False},
            },
            {
                "type": "context",
                "elements": [
                    {
                        "type": "plain_text",
                        "text": "Run manual__1 · Map index 3 · Output 2 of 5",
                        "emoji": False,
                    },
                    {
                        "type": "mrkdwn",
                        "text": "Due <!date^1769859000^{date_short_pretty} at {time}|2026-01-31 11:30 UTC>",
                        "verbatim": True,
                    },
                ],
            },
            {
                "type": "section",
                "text": {"type": "mrkdwn", "text": "*Prompt*\nDraft the report", "verbatim": True},
            },
            {
                "type": "section",
                "text": {"type": "mrkdwn", "text": "*Output*\n*Sales*\nUp by *4 %*.", "verbatim": True},
            },
            {
                "type": "actions",
                "elements": [
                    {
                        "type": "button",
                        "url": "https://airflow.example/dags/reports/runs/manual__1/tasks/report",
                        "action_id": "open",
                        "text": {"type": "plain_text", "text": "Review", "emoji": False},
                        "style": "primary",
                    }
                ],
            },
        ],
    }


def test_slack_message_of_a_decision() -> None:
    message = slack(EventType.FINALIZED, DECIDED)
    header, context, _, _, _, actions = message["blocks"]
    assert header["text"]["text"] == "Approved: reports › report"
    assert [e["text"] for e in context["elements"]] == ["Run manual__1 · Output 2 of 5 · By Zoë"]
    assert section(message, "Feedback") == "> Fine &amp; short"
    (button,) = actions["elements"]
    assert button["text"]["text"] == "Open in Airflow"
    assert "style" not in button


def test_slack_message_of_a_test_event() -> None:
    event = build_test_event(at=AT, address="https://airflow.example")
    header, text, actions = checked_slack(event.body)["blocks"]
    assert header["text"]["text"] == "Test message from hitl-notebook"
    assert text["text"]["text"] == json.loads(event.body)["data"]["message"]
    assert actions["elements"][0]["url"] == "https://airflow.example"


@pytest.mark.parametrize(
    ("type_", "status", "words"),
    [
        (EventType.CHANGES_REQUESTED, "changes_requested", "Changes requested"),
        (EventType.FINALIZED, "rejected", "Rejected"),
        (EventType.FINALIZED, "timeout_exceeded", "Timed out"),
        (EventType.FINALIZED, "max_iterations_exceeded", "Ended without approval"),
        (EventType.FINALIZED, "abandoned", "Abandoned"),
        (EventType.FINALIZED, "failed", "Failed"),
        (EventType.FINALIZED, "of a later version", "Review"),
    ],
)
def test_slack_headline(type_: EventType, status: str, words: str) -> None:
    # The status of the event counts, not that of the session.
    message = slack(type_, replace(FACTS, status=status))
    assert message["blocks"][0]["text"]["text"] == f"{words}: reports › report"
    assert message["text"].startswith(f"{words}: reports › report")


def test_slack_headline_without_event_status() -> None:
    event = json.loads(build_event(EventType.FINALIZED, DECIDED, at=AT).body)
    del event["data"]["status"]
    assert checked_slack(json.dumps(event).encode())["text"].startswith("Approved: ")


@pytest.mark.parametrize(
    "link",
    [
        *[
            "",
            "/dags/x",
            "javascript:alert(1)",
            "ftp://h/x",
            "http://",
            "https:///x",
            "http://[::1",
            "https://h:x/",
        ],
        *[
            "https://h:99999/",
            "https://h/a b",
            "https://h/<x>",
            "https://h/\n",
            "https://h/" + "x" * 3000,
            "https://é/",
        ],
    ],
)
def test_slack_button_is_omitted_if_slack_rejects_the_url(link: str) -> None:
    message = slack(facts=replace(FACTS, links={"review": link}))
    assert "actions" not in [block["type"] for block in message["blocks"]]


@pytest.mark.parametrize("links", [{}, {"api": "https://h/"}])
def test_slack_button_is_omitted_without_a_link(links: dict[str, str]) -> None:
    assert len(slack(facts=replace(FACTS, links=links))["blocks"]) == 4


@pytest.mark.parametrize(
    ("markdown", "mrkdwn"),
    [
        ("# Title", "*Title*"),
        ("### **Bold** title", "*Bold title*"),
        ("#no title", "#no title"),
        ("a **b** c *d* `*e*` **f [g](https://h.example)**", "a *b* c _d_ `*e*` *f <https://h.example|g>*"),
        ("2 * 3 * 4 and snake_case_name", "2 * 3 * 4 and snake_case_name"),
        ("[a|b](https://x.example/?a=1&b=2)", "<https://x.example/?a=1&amp;b=2|a/b>"),
        ("![alt](http://x.example/i.png)", "<http://x.example/i.png|alt>"),
        ("[ ](https://x.example)", "<https://x.example>"),
        ("[<!channel> &](https://x.example)", "<https://x.example|&lt;!channel&gt; &amp;>"),
        ("[a](javascript:alert(1)) [b](/c) [d](https://e|f)", "[a](javascript:alert(1)) [b](/c) [d](https://e|f)"),
        ("[a](https://x.example>)<!here>", "[a](https://x.example&gt;)&lt;!here&gt;"),
        ("- a\n  * b\n1. c", "• a\n  • b\n1. c"),
        ("> a\n>b <@U1>", "> a\n> b &lt;@U1&gt;"),
        (">>> all of it", "> &gt;&gt; all of it"),
        ("```python\nx = **y**\n```\nz", "```\nx = **y**\n```\nz"),
        ("~~~\n```\n~~~", "```\n`\u200b``\n```"),
        ("````\n```\n````", "```\n`\u200b``\n```"),
        ("```\nnever closed", "```\nnever closed\n```"),
        ("see ```x``` here", "see `x` here"),
        ("| a | b |\n|---|:-:|\n| 1 | <2> |\nafter", "```\n| a | b |\n|---|:-:|\n| 1 | &lt;2&gt; |\n```\nafter"),
        ("a | b\n--|--\n1 | 2", "```\na | b\n--|--\n1 | 2\n```"),
        ("a | b\nno table", "a | b\nno table"),
        ('{"a": [1, 2]}', '{"a": [1, 2]}'),
        ("a\x00b\x1bc\r\nd\re", "abc\nd\ne"),
        ("<http://evil|click> <!channel> &amp;", "&lt;http://evil|click&gt; &lt;!channel&gt; &amp;amp;"),
    ],
)
def test_slack_markdown(markdown: str, mrkdwn: str) -> None:
    assert section(slack(facts=replace(FACTS, output=markdown))) == mrkdwn


@pytest.mark.parametrize("text", ["", " \n\t ", "\x00\x1b"])
def test_slack_omits_empty_parts(text: str) -> None:
    message = slack(facts=replace(FACTS, prompt=text, output=text, feedback=text))
    assert [block["type"] for block in message["blocks"]] == ["header", "context", "actions"]


def test_slack_drops_leading_blank_lines() -> None:
    assert section(slack(facts=replace(FACTS, output="\n \n" * 2000 + "there it is"))) == "there it is"


@pytest.mark.parametrize("unit", ["word ", "é", "🎉", "<", "&", "\n", "[a](https://x.example/?a=1&b=2) ", "**b** "])
def test_slack_marks_truncated_text(unit: str) -> None:
    output = section(slack(facts=replace(FACTS, output="x" + unit * 9000 + "x")))
    assert output is not None
    assert output.endswith("…\n_Cut here. The whole text is in the review._")
    assert len(output.encode()) > 2800


@pytest.mark.parametrize("before", range(12))
def test_slack_never_truncates_within_an_entity_or_link(before: int) -> None:
    for unit in ("&<>", "[label](https://x.example/&&)"):
        slack(facts=replace(FACTS, dag_id="x" * before + "&" * 100, output="x" * before + unit * 600))


def test_slack_closes_a_truncated_code_block() -> None:
    output = section(slack(facts=replace(FACTS, output="```\n" + "x = 1\n" * 900)))
    assert output is not None
    assert output.endswith("…\n```\n_Cut here. The whole text is in the review._")


def test_slack_marks_output_truncated_in_the_event() -> None:
    event = json.loads(build_event(EventType.OUTPUT_READY, FACTS, at=AT).body)
    event["data"]["output_truncated"] = True
    output = section(checked_slack(json.dumps(event).encode()))
    assert output == "*Sales*\nUp by *4 %*.\n_Cut here. The whole text is in the review._"


@given(
    dag_id=HOSTILE, run_id=HOSTILE, task_id=HOSTILE, prompt=HOSTILE, output=HOSTILE, feedback=HOSTILE, name=HOSTILE,
    times=TIMES, type_=st.sampled_from([EventType.OUTPUT_READY, EventType.CHANGES_REQUESTED, EventType.FINALIZED]),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_slack_accepts_hostile_text(
    dag_id: str, run_id: str, task_id: str, prompt: str, output: str, feedback: str, name: str, times: int,
    type_: EventType,
) -> None:  # fmt: skip
    facts = replace(
        DECIDED,
        dag_id=dag_id,
        run_id=run_id,
        task_id=task_id,
        prompt=prompt * times,
        output=output * times,
        feedback=feedback * times,
        decided_by=Person("7", name),
    )
    slack(type_, facts)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | HOSTILE,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
SESSION = ["dag_id", "run_id", "task_id", "map_index", "iteration", "max_iterations", "prompt", "deadline_at"]
DATA = ["status", "message", "output", "output_truncated", "feedback", "decided_by", "links"]


@example(session={}, data={}, link="<http://evil|click>")
@given(
    session=st.dictionaries(st.sampled_from(SESSION), JSON) | JSON,
    data=st.dictionaries(st.sampled_from(DATA), JSON),
    link=JSON,
)
@settings(max_examples=150, deadline=None)
def test_values_of_a_wrong_type_count_as_absent(session: object, data: dict[str, object], link: object) -> None:
    data = {"links": {"review": link}, **data, "session": session}
    body = json.dumps(
        {"type": "hitl_review.finalized", "timestamp": "2026-01-31T09:30:00.000Z", "data": data}
    ).encode()
    checked_slack(body)
    parsed_cloudevent(body)


SPANS = ["*", "*a", "**a ", "* a*", "**", "*a" + " " * 900, "_", "`", "`a", "[", "![", "](", "[a](https://x"]
LINES = ["```\n", "~~~\n", "|", "|-\n", "#", "# ", ">", "> ", "<&>", "&", "a", "é", "🎉"]


@pytest.mark.parametrize("unit", [*SPANS, *LINES, *BLANKS])
def test_slack_rendering_is_fast_for_any_text(unit: str) -> None:
    text = unit * (20_000 // len(unit))
    body = build_event(EventType.OUTPUT_READY, replace(FACTS, prompt=text, output=text, feedback=text), at=AT).body
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        get_format("slack").render(ID, body)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.05 * PATIENCE
    checked_slack(body)


# --- CloudEvents ---

URI_REFERENCE = re.compile(
    r"(?:[A-Za-z][A-Za-z0-9+.-]*://(?:[A-Za-z0-9._~:@!$&'()*+,;=\[\]-]|%[0-9A-Fa-f]{2})*)?"
    r"(?:[A-Za-z0-9._~:@!$&'()*+,;=/?-]|%[0-9A-Fa-f]{2})*"
)


def parsed_cloudevent(body: bytes) -> BaseCloudEvent:
    """Render and have the official SDK read and validate it."""
    rendered = get_format("cloudevents").render(ID, body)
    assert rendered.content_type == "application/cloudevents+json; charset=utf-8"
    event = from_http_event(HTTPMessage(headers={"content-type": rendered.content_type}, body=rendered.body))
    assert event.get_specversion() == "1.0"
    assert event.get_id() == ID
    assert event.get_datacontenttype() == "application/json"
    assert URI_REFERENCE.fullmatch(event.get_source())
    assert event.get_source()
    return event


@pytest.mark.parametrize(("map_index", "subject"), [(-1, "manual__1/report"), (0, "manual__1/report[0]")])
@pytest.mark.parametrize("type_", [EventType.OUTPUT_READY, EventType.CHANGES_REQUESTED, EventType.FINALIZED])
def test_cloudevent(type_: EventType, map_index: int, subject: str) -> None:
    body = build_event(type_, replace(DECIDED, map_index=map_index), at=AT).body
    event = parsed_cloudevent(body)
    assert event.get_type() == type_.value
    assert event.get_source() == "https://airflow.example/dags/reports"
    assert event.get_subject() == subject
    assert event.get_time() == AT
    assert event.get_data() == json.loads(body)["data"]


def test_cloudevent_of_a_test_event() -> None:
    body = build_test_event(at=AT, address="https://airflow.example/base").body
    event = parsed_cloudevent(body)
    assert event.get_type() == "hitl_review.delivery.test"
    assert event.get_source() == "https://airflow.example/base"
    assert event.get_subject() is None
    assert event.get_data() == json.loads(body)["data"]


@pytest.mark.parametrize(
    ("link", "source"),
    [
        ("https://h/dags/a/runs/b/runs/c/tasks/d", "https://h/dags/a/runs/b"),
        ("https://h/dags/100%/é ü/runs/x", "https://h/dags/100%25/%C3%A9%20%C3%BC"),
        ("https://h/dags/%C3%A9/runs/x", "https://h/dags/%C3%A9"),
        ("http://[::1]:8080/dags/a[1]#b/runs/x", "http://[::1]:8080/dags/a%5B1%5D%23b"),
        ("", "/dags/reports"),
        ("https://h/elsewhere", "/dags/reports"),
    ],
)
def test_cloudevent_source_is_a_uri_reference(link: str, source: str) -> None:
    body = build_event(EventType.FINALIZED, replace(FACTS, links={"review": link}), at=AT).body
    assert parsed_cloudevent(body).get_source() == source


@given(dag_id=st.text(), run_id=st.text(), output=st.text())
@settings(max_examples=50, deadline=None)
def test_cloudevent_of_hostile_text(dag_id: str, run_id: str, output: str) -> None:
    link = f"https://h/dags/{quote(dag_id, safe='')}/runs/{quote(run_id, safe='')}/tasks/t"
    facts = replace(FACTS, dag_id=dag_id, run_id=run_id, output=output, links={"review": link})
    body = build_event(EventType.OUTPUT_READY, facts, at=AT).body
    event = parsed_cloudevent(body)
    assert event.get_source() == link.rpartition("/runs/")[0]
    assert event.get_data() == json.loads(body)["data"]


# --- Formats in general ---


@pytest.mark.parametrize("name", ["standard", "cloudevents", "slack"])
def test_rendering_is_deterministic(name: str) -> None:
    body = build_event(EventType.FINALIZED, DECIDED, at=AT).body
    assert get_format(name).render(ID, body) == get_format(name).render(ID, body)


def test_standard_format_is_the_unchanged_body() -> None:
    assert get_format("standard").render(ID, b"\xff any bytes") == Rendered(b"\xff any bytes", "application/json")


def test_format_properties() -> None:
    assert format_names() == ("standard", "cloudevents", "slack")
    facts = {name: (get_format(name).signed, get_format(name).min_interval) for name in format_names()}
    assert facts == {"standard": (True, 0.0), "cloudevents": (True, 0.0), "slack": (False, 1.0)}


def test_unknown_format_error_names_known_formats() -> None:
    with pytest.raises(ValueError, match=r"'xml'.*standard, cloudevents, slack"):
        get_format("xml")


@pytest.mark.parametrize("name", ["cloudevents", "slack"])
@pytest.mark.parametrize(
    "body", [b"", b"\xff", b"[]", b"{}", b'{"type":"t","timestamp":"t"}', b'{"type":1,"timestamp":"t","data":{}}']
)
def test_unknown_body_is_rejected(name: str, body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        get_format(name).render(ID, body)


def test_custom_format(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "_formats", dict(formats._formats))

    @register("shout", signed=False, min_interval=2.0)
    def shout(event_id: str, body: bytes) -> Rendered:
        return Rendered(body.upper(), "text/plain")

    added = get_format("shout")
    assert added.render(ID, b"abc") == shout(ID, b"abc") == Rendered(b"ABC", "text/plain")
    assert (added.name, added.signed, added.min_interval) == ("shout", False, 2.0)
    assert format_names()[-1] == "shout"
    with pytest.raises(ValueError, match="already"):
        register("shout")(shout)

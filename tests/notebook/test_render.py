from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import pytest

from hitl_notebook import Review, ReviewKey, render
from hitl_notebook.session_view import conversation_html, head_html, output_html
from hitl_notebook.views import row_label
from tests.notebook.hostile import HOSTILE, Parts, harmless
from tests.notebook.server import review, turn
from tests.notebook.times import stamp


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown(text: str) -> None:
    parts = harmless(render.markdown(text))
    own = [(tag, value) for tag, name, value in parts.attributes if name == "class"]
    assert own == [("div", "hitl-markdown")]
    assert parts.tags.count("div") == 1
    links = [value for _, name, value in parts.attributes if name == "href"]
    assert all("script" not in link.lower() and "data:" not in link for link in links)


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("show", [render.plain, lambda t: render.output(t, "json")])
def test_plain_text_stays_as_it_is(text: str, show: Callable[[str], str]) -> None:
    parts = harmless(show(text), text_tags=False)
    assert parts.tags == ["pre"]
    assert parts.text == text


@pytest.mark.parametrize("text", HOSTILE)
def test_output_as_text_is_markdown(text: str) -> None:
    assert render.output(text, "text") == render.markdown(text)
    assert render.output(text, "unheard-of") == render.markdown(text)


def test_json_is_indented() -> None:
    shown = Parts(render.output('{"a": "<b>ü</b>", "n": [1]}', "json"))
    assert shown.tags == ["pre"]
    assert shown.text == '{\n  "a": "<b>ü</b>",\n  "n": [\n    1\n  ]\n}'


def test_ordinary_markdown() -> None:
    text = "# T\n\n**b** ~~s~~ [l](https://ok.example 'x')\nnext\n\n3. c\n\n| h |\n|---|\n| d |\n\n```py\nx<1\n```"
    parts = harmless(render.markdown(text))
    assert {"h1", "strong", "s", "a", "br", "ol", "li", "table", "th", "td", "pre", "code"} <= set(parts.tags)
    assert ("a", "href", "https://ok.example") in parts.attributes
    assert ("ol", "start", "3") in parts.attributes
    assert "x<1" in parts.text


def test_html_in_markdown_is_shown_as_text() -> None:
    parts = harmless(render.markdown("a <b>x</b>\n\n<div onclick=y>z</div>"))
    assert "a <b>x</b>" in parts.text
    assert "<div onclick=y>z</div>" in parts.text
    assert parts.tags == ["div", "p", "p"]


def test_very_long_text_is_plain() -> None:
    text = "<b>" * (render.MARKDOWN_LIMIT // 3 + 1)
    assert render.markdown(text) == render.plain(text)


def test_moment_is_in_local_time() -> None:
    at = datetime(2030, 11, 3, 14, 5, tzinfo=timezone.utc)
    assert render.moment(at) == f"{at.astimezone().day} {at.astimezone():%b %H:%M}"


def test_time_of_day_tells_the_day_only_if_it_is_another_one() -> None:
    now = datetime(2030, 11, 3, 14, 5, 10).astimezone()
    assert render.time_of_day(now.astimezone(timezone.utc), now=now) == "14:05:10"
    assert render.time_of_day(now + timedelta(days=1), now=now) == f"4 {now:%b} 14:05:10"


def test_text_in_a_line() -> None:
    assert render.inline('<b> & "x"', limit=9) == "&lt;b&gt; &amp; &quot;x&quot;"
    assert render.inline("<b> and more", limit=4) == "&lt;b&gt; …"
    assert render.inline("\ud800") == "?"


def hostile_review(text: str) -> Review:
    user = {"id": text, "name": text}
    return review(
        ReviewKey(text, text, text),
        prompt=text,
        status=text,
        iteration=2,
        current_output=text,
        decided_by=user,
        decided_at=stamp(1),
        last_error=text,
        conversation=[
            turn("output", text, 1),
            turn("feedback", text, 1, user),
            turn("error", text, 1),
            turn("output", text, 2),
        ],
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_views_show_foreign_text_as_text(text: str) -> None:
    shown = hostile_review(text)
    head = harmless(head_html(shown), text_tags=False)
    assert head.text.count(text) >= 6  # dag, task, run, status, user, prompt
    conversation = harmless(conversation_html(shown))
    assert conversation.text.count(text) >= 3  # user, feedback, error
    assert conversation.tags.count("details") == 1
    assert harmless(output_html(shown)).tags.count("details") == 0


@pytest.mark.parametrize("text", [text for text in HOSTILE if "\n" not in text])
def test_rows_of_the_list_are_data(text: str) -> None:
    # The front end puts labels in as text; so they must not be escaped a second time.
    label = row_label(hostile_review(text))
    assert isinstance(label, str)
    assert text in label

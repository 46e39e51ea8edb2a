from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import pytest

from demo.processes import PATIENCE
from hitl_rendering import render
from tests.notebook.hostile import HOSTILE, Parts, harmless


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_of_hostile_text(text: str) -> None:
    parts = harmless(render.markdown(text))
    own = [(tag, value) for tag, name, value in parts.attributes if name == "class"]
    assert own[0] == ("div", "hitl-markdown")
    assert set(own[1:]) <= {("pre", "hitl-code"), ("div", "hitl-scroll")}
    links = [value for _, name, value in parts.attributes if name == "href"]
    assert all("script" not in link.lower() and "data:" not in link for link in links)


@pytest.mark.parametrize("text", [text for text in HOSTILE if not text.startswith("{")])
@pytest.mark.parametrize("show", [render.plain, lambda t: render.output(t, "json")])
def test_plain_text_is_unchanged(text: str, show: Callable[[str], str]) -> None:
    parts = harmless(show(text), text_tags=False)
    assert parts.tags == ["pre"]
    assert parts.text == text


@pytest.mark.parametrize("text", HOSTILE)
def test_text_output_is_rendered_as_markdown_if_chosen(text: str) -> None:
    assert render.output(text, "text", "markdown") == render.markdown(text)
    assert render.output(text, "unheard-of", "markdown") == render.markdown(text)


def test_ordinary_markdown() -> None:
    text = "# T\n\n**b** ~~s~~ [l](https://ok.example 'x')\nnext\n\n3. c\n\n| h |\n|---|\n| d |\n\n```py\nx<1\n```"
    parts = harmless(render.markdown(text))
    assert {"h1", "strong", "s", "a", "br", "ol", "li", "table", "th", "td", "pre", "code"} <= set(parts.tags)
    assert ("a", "href", "https://ok.example") in parts.attributes
    assert ("ol", "start", "3") in parts.attributes
    assert "x<1" in parts.text


def test_html_in_markdown_is_escaped() -> None:
    parts = harmless(render.markdown("a <b>x</b>\n\n<div onclick=y>z</div>"))
    assert "a <b>x</b>" in parts.text
    assert "<div onclick=y>z</div>" in parts.text
    assert parts.tags == ["div", "p", "p"]


def test_image_is_shown_as_alt_text_and_url() -> None:
    parts = harmless(render.markdown("![sales <b> & costs](http://evil.example/pixel.png)"))
    assert parts.text.strip() == "[image: sales <b> & costs, http://evil.example/pixel.png]"
    assert "img" not in parts.tags


@pytest.mark.parametrize("target", ["https://ok.example/a?b=c#d", "HTTP://ok.example", "mailto:ann@ok.example"])
def test_link_opens_in_a_new_tab(target: str) -> None:
    parts = harmless(render.markdown(f"[x]({target})"))
    assert {(name, value) for tag, name, value in parts.attributes if tag == "a"} == {
        ("href", target),
        ("target", "_blank"),
        ("rel", "noopener noreferrer nofollow"),
    }


@pytest.mark.parametrize(
    "target", ["//evil.example", "/dags", "../auth/logout", "#top", "http:/x", "http:///evil.example", "x:y"]
)
@pytest.mark.parametrize("text", ["[a link]({})", "[a link][r]\n\n[r]: {}"])
def test_relative_and_unsafe_links_are_not_rendered(text: str, target: str) -> None:
    parts = harmless(render.markdown(text.format(target)))
    assert "a link" in parts.text
    assert [value for _, name, value in parts.attributes if name == "href"] == []


@pytest.mark.parametrize("text", ["![" * 24_000, "[" * 48_000, ("![" * 250 + "\n\n") * 95])
def test_thousands_of_brackets_are_not_rendered_as_markdown(text: str) -> None:
    """The parser looks for the end of a link after each bracket, which took two seconds."""
    assert "would take long to lay out" in render.markdown(text)


@pytest.mark.parametrize("text", [">" * 50 + "a\n" + "a\n" * 24_000, "> - " * 14 + "a\n" + "a\n" * 24_000])
def test_deep_quotes_with_many_lines_are_not_rendered_as_markdown(text: str) -> None:
    """Each line may continue all quotes, which took five seconds."""
    assert "would take long to lay out" in render.markdown(text)


def test_email_with_quotes_is_rendered_as_markdown() -> None:
    mail = "> > > so they said\n> > and I answered\n> at length\n\nBut why?\n\n" * 500
    assert "<blockquote>" in render.markdown(mail)


def test_brackets_in_many_paragraphs_are_rendered_as_markdown() -> None:
    parts = harmless(render.markdown("See [one](https://a.example) and [two](https://b.example).\n\n" * 700))
    assert parts.tags.count("a") == 1400


@pytest.mark.parametrize(("columns", "rows"), [(300, 20_000), (10_000, 1)])
def test_table_with_too_many_cells_is_not_rendered_as_markdown(columns: int, rows: int) -> None:
    text = "|" + "a|" * columns + "\n|" + "-|" * columns + "\n" + "x\n" * rows
    shown = render.markdown(text[: render.MARKDOWN_LIMIT])
    assert "would take long to lay out" in shown
    assert "<table" not in shown


def test_large_table_is_rendered_as_markdown() -> None:
    text = "| a | b | c |\n|---|---|---|\n" + "| 1 | 2 | 3 |\n" * 3_000
    assert harmless(render.markdown(text)).tags.count("tr") == 3_001


@pytest.mark.parametrize("sign", [">", "- ", "1. ", "> - "])
@pytest.mark.parametrize("levels", [15, 25, 57, 58, 59, 60, 61, 200])
def test_nesting_hides_nothing(sign: str, levels: int) -> None:
    assert "the end" in Parts(render.markdown(sign * levels + "the end")).text


def test_very_long_text_is_plain_with_a_notice() -> None:
    text = "<b>" * (render.MARKDOWN_LIMIT // 3 + 1)
    shown = render.markdown(text)
    assert shown.endswith(render.plain(text))
    assert "not as Markdown" in harmless(shown).text


@pytest.mark.parametrize(
    "text",
    [
        "a line of text\n" * 70_000,
        "\n" * 5_000,
        "word " * 10_000,
        "\n\nx\n" + "y" * 50_000 + "\nz\n\n\n",
        "crlf\r\n" * 5_000,
        "\n".join("z" * 19_999 for _ in range(5)),
    ],
)
def test_long_plain_text_is_split_into_blocks_of_whole_lines(text: str) -> None:
    shown = render.plain(text)
    parts = Parts(shown)
    assert parts.text == text
    assert set(parts.tags) == {"div"}
    for start in shown.split('<div class="hitl-chunk">')[2:]:
        assert start.count("\n") <= 200
    ends = shown.split('</div><div class="hitl-chunk">')[:-1]
    assert all(end.endswith("\n") for end in ends)


def test_leading_empty_line_is_kept() -> None:
    # Browsers drop the first line break within a <pre>.
    assert render.plain("\nx") == '<pre class="hitl-plain">\n\nx</pre>'
    assert render.plain("x\n") == '<pre class="hitl-plain">x\n</pre>'


@pytest.mark.parametrize(
    ("text", "output_format"),
    [
        ("The quick brown fox jumps over <it>\n" * 28_000, "text"),
        ("# T\n\n**b** text & more *text* [l](http://x.y)\n\n" * 22_000, "text"),
        ("word " * 200_000, "text"),
        ("[" + ", ".join('{"id": 1.10, "name": "n & ü", "tags": ["a", "b"]}' for _ in range(20_000)) + "]", "json"),
    ],
)
def test_one_megabyte_is_rendered_quickly_and_cached(text: str, output_format: str) -> None:
    start = time.thread_time()
    shown = render.output(text, output_format)
    first = time.thread_time()
    assert render.output(text, output_format) is shown
    assert first - start < 1 * PATIENCE  # 0.02 s, for JSON 0.2 s, on a slow machine
    assert time.thread_time() - first < 0.01 * PATIENCE


def test_comparable() -> None:
    assert render.comparable('{"a":1.10}', "json") == '{\n  "a": 1.10\n}'
    assert render.comparable("no JSON", "json") == "no JSON"
    assert render.comparable('{"a":1}', "text") == '{"a":1}'


def test_moment_is_in_local_time() -> None:
    at = datetime(2030, 11, 3, 14, 5, tzinfo=timezone.utc)
    assert render.moment(at) == f"{at.astimezone().day} {at.astimezone():%b %H:%M}"


def test_time_html_has_the_exact_time() -> None:
    at = datetime(2030, 11, 3, 14, 5, 6, 700, tzinfo=timezone.utc)
    parts = harmless(render.time_html(at))
    assert parts.text == render.moment(at)
    said = {name: value for _, name, value in parts.attributes}
    assert datetime.fromisoformat(said["datetime"]) == at
    assert said["title"] == f"{at.astimezone():%Y-%m-%d %H:%M:%S} {at.astimezone().tzname()}"


def test_time_of_day_has_the_date_only_on_another_day() -> None:
    now = datetime(2030, 11, 3, 14, 5, 10).astimezone()
    assert render.time_of_day(now.astimezone(timezone.utc), now=now) == "14:05:10"
    assert render.time_of_day(now + timedelta(days=1), now=now) == f"4 {now:%b} 14:05:10"


def test_inline_text() -> None:
    assert render.inline('<b> & "x"', limit=9) == "&lt;b&gt; &amp; &quot;x&quot;"
    assert render.inline("<b> and more", limit=4) == "&lt;b&gt; …"
    assert render.inline("\ud800") == "?"

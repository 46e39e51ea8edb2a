from __future__ import annotations

import random
import re
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.processes import PATIENCE
from hitl_rendering.alignment import Effort, align
from hitl_rendering.difference_html import in_words, to_html
from hitl_rendering.differences import _PAIRS_EFFORT, Difference, compare
from hitl_rendering.line_pairs import cells
from tests.notebook.hostile import HOSTILE, Parts, harmless

WORDS = st.lists(
    st.sampled_from(["a", "the", "sales", "rose,", " ", "\n", "\r\n", "  ", "3.5%", "—", "日本", "\ud800"])
)
TEXTS = st.text(st.characters()) | WORDS.map("".join) | WORDS.map(" ".join)


def text_of(difference: Difference, *kinds: str) -> str:
    return "".join(segment.text for segment in difference.segments if segment.kind in kinds)


def shown(difference: Difference) -> str:
    """The changes as ``[-removed-]`` and ``{+added+}``."""
    forms = {"equal": "{}", "removed": "[-{}-]", "added": "{{+{}+}}"}
    return "".join(forms[segment.kind].format(segment.text) for segment in difference.segments)


@given(TEXTS, TEXTS)
def test_difference_contains_both_texts(before: str, after: str) -> None:
    difference = compare(before, after)
    assert text_of(difference, "equal", "removed") == before
    assert text_of(difference, "equal", "added") == after
    assert difference.same == (before == after)
    assert all(segment.text for segment in difference.segments)
    kinds = [segment.kind for segment in difference.segments]
    assert all(one != other for one, other in pairwise(kinds))
    assert ("added", "removed") not in pairwise(kinds)
    assert not difference.coarse


@given(TEXTS, TEXTS)
def test_reverse_comparison_is_symmetric(before: str, after: str) -> None:
    there, back = compare(before, after), compare(after, before)
    assert (there.words_added, there.words_removed) == (back.words_removed, back.words_added)
    assert text_of(there, "removed") == text_of(back, "added")


@given(TEXTS, st.lists(st.tuples(st.integers(0, 50), TEXTS), max_size=5))
def test_edited_text(before: str, edits: list[tuple[int, str]]) -> None:
    after = before
    for at, text in edits:
        after = after[:at] + text + after[at + len(text) // 2 :]
    difference = compare(before, after)
    assert text_of(difference, "equal", "removed") == before
    assert text_of(difference, "equal", "added") == after
    harmless(to_html(difference)).text.encode()


TOKENS = st.lists(st.sampled_from("abcdefghijklmnopqrstuvwxyz"), max_size=60)


@given(TOKENS, TOKENS, TOKENS, st.integers(0, 3_000))
def test_limited_effort_finds_only_true_matches(
    before: list[str], after: list[str], common: list[str], cells: int
) -> None:
    first, second = before + common + after, after + common + before
    i = j = 0
    for match in align(first, second, Effort(cells)):
        assert match.size > 0
        assert match.i >= i
        assert match.j >= j
        i, j = match.i + match.size, match.j + match.size
        assert first[match.i : i] == second[match.j : j]
    effort = Effort(10_000)
    align(first, second, effort)
    assert not effort.exceeded or len(first) ** 2 > 10_000


@pytest.mark.parametrize(
    ("before", "after", "expected", "words"),
    [
        ("", "", "", "no change"),
        ("same", "same", "same", "no change"),
        ("", "one two", "{+one two+}", "2 words added"),
        ("one", "", "[-one-]", "1 word removed"),
        ("The quick fox.", "The slow fox.", "The [-quick-]{+slow+} fox.", "1 word added, 1 removed"),
        ("a big cat", "a small old cat", "a [-big-]{+small old+} cat", "2 words added, 1 removed"),
        ("It rose 3.5%.", "It rose 4.5%!", "It rose [-3.5%.-]{+4.5%!+}", "1 word added, 1 removed"),
        ("one two", "one  two", "one[- -]{+  +}two", "only signs or spaces"),
        ("one\ntwo\n", "one\r\ntwo\r\n", "one[-\n-]{+\r\n+}two[-\n-]{+\r\n+}", "only signs or spaces"),
        ("don't", "do not", "[-don't-]{+do not+}", "2 words added, 1 removed"),
        ("今日は雨です", "今日は雪です", "今日は[-雨-]{+雪+}です", "1 word added, 1 removed"),
        ('{"t": "a\\nfoo"}', '{"t": "a\\nbar"}', '{"t": "a\\n[-foo-]{+bar+}"}', "1 word added, 1 removed"),
        (
            "Sales grew quickly in the northern regions.",
            "Revenue shrank abroad while the weather was bad.",
            "[-Sales grew quickly in the northern regions-]{+Revenue shrank abroad while the weather was bad+}.",
            "8 words added, 7 removed",
        ),
        ("x\ny\nz\n", "x\nz\n", "x\n[-y\n-]z\n", "1 word removed"),
    ],
)
def test_word_differences(before: str, after: str, expected: str, words: str) -> None:
    difference = compare(before, after)
    assert shown(difference) == expected
    assert in_words(difference) == words


def lines(seed: int, words: int = 5_000, count: int = 13_000) -> list[str]:
    chance = random.Random(seed)
    vocabulary = ["".join(chance.choices("abcdefghijklmnop", k=5)) for _ in range(words)]
    return [" ".join(chance.choices(vocabulary, k=12)) + "\n" for _ in range(count)]


TEXT = "".join(lines(1))
HARD = {
    "every line changed": (TEXT, re.sub(r"\S+\n", "other\n", TEXT), False),
    "other words": (TEXT, "".join(lines(2)), True),
    "the same words in another order": ("".join(lines(3, 30)), "".join(lines(4, 30)), True),
    "lines turned round": (TEXT, "".join(lines(1)[::-1]), True),
    "one line, one change": (TEXT.replace("\n", " "), TEXT.replace("\n", " ").replace("a ", "b ", 1), False),
    "one line, many changes": (TEXT.replace("\n", " "), re.sub(r"\S+\n", "other ", TEXT), False),
    "one line, other words": (TEXT.replace("\n", " "), "".join(lines(2)).replace("\n", " "), True),
    "spaces before each line": (TEXT, TEXT.replace("\n", "\n    "), False),
    "no line ends": (TEXT, TEXT.replace("\n", " "), False),
    "the same line": ("same\n" * 100_000, "same\n" * 40_000 + "x\n" + "same\n" * 59_990, False),
    "fewer of the same line": ("same\n" * 100_000, "x\n" + "same\n" * 50_000 + "y\n", True),
    "signs": ("?!" * 500_000, "!?.," * 250_000, True),
    "one word": ("a" * 1_000_000, "b" * 1_000_000, False),
    "ideographs": ("日本語" * 111_000, "本日" * 166_000, True),
    "surrogates": ("\ud800" * 1_000_000, "\udfff" * 1_000_000, True),
    "nearly a word": ("a'" * 500_000, "a’" * 500_000, False),
    "spaces": (" \n" * 500_000, "\n " * 500_000, True),
    "short lines": ("a\nb\n" * 250_000, "b\nb\na\n" * 166_000, True),
}


@pytest.mark.parametrize("name", HARD)
def test_one_megabyte_is_compared_in_bounded_time(name: str) -> None:
    before, after, coarse = HARD[name]
    start = time.thread_time()
    difference = compare(before, after)
    html = to_html(difference)
    took = time.thread_time() - start
    assert text_of(difference, "equal", "removed") == before
    assert text_of(difference, "equal", "added") == after
    assert difference.coarse == coarse
    assert took < 3 * PATIENCE  # less than 1 s on an idle machine
    assert len(html) < 500_000


def test_line_pairing_effort_depends_on_characters() -> None:
    """63 x 63 lines of 2,000 characters take about 0.3 s; eight such passages must not take eight times as long."""
    work = random.Random(1)

    def passage() -> list[str]:
        return ["".join(work.choices("abcdefgh ", k=1_985)) + "\n" for _ in range(63)]

    budget = Effort(_PAIRS_EFFORT)
    affordable = [budget.take(cells(passage(), passage())) for _ in range(8)]
    assert affordable == [True] + [False] * 7
    # Short lines, such as table rows, are paired in many passages.
    budget = Effort(_PAIRS_EFFORT)
    assert all(budget.take(cells(["| a | b |\n"] * 63, ["| a | c |\n"] * 63)) for _ in range(40))


def test_rest_counts_as_changed_after_very_many_changed_lines() -> None:
    before = "".join(f"This is line number {n} of the text\n" for n in range(80_000))
    after = re.sub(r"(?m)^(.*[02468] of) the", r"\1 a", before)
    found = compare(before, after)
    changed = [segment.text for segment in found.segments if segment.kind == "added"]
    assert changed[0] == "a"
    assert changed[-1].startswith("This is line number")  # as a whole
    assert found.coarse
    assert "".join(s.text for s in found.segments if s.kind != "removed") == after


def test_many_changes_are_found_individually() -> None:
    difference = compare(*HARD["one line, many changes"][:2])
    assert difference.words_added == difference.words_removed == 13_000


@pytest.mark.parametrize("text", HOSTILE)
def test_html_escapes_hostile_text(text: str) -> None:
    for before, after in (
        (text, "x"),
        ("x", text),
        (text, text + "x"),
        (f"{text}\n" * 30, f"{text}\n" * 30 + text),
    ):
        parts = harmless(to_html(compare(before, after)))
        assert set(parts.tags) <= {"ins", "del", "span", "details", "summary", "div"}
        assert "alert" not in str(parts.attributes)
        assert "".join(after.split()) in "".join(parts.text.split()) or before != "x"


def test_html_is_readable_without_colour() -> None:
    html = to_html(compare("The quick fox.", "The slow fox."))
    assert Parts(html).text == "The [removed: quick][added: slow] fox."
    assert '<del><span class="hitl-unseen">[removed: </span>quick' in html


def test_changed_white_space_is_visible() -> None:
    text = Parts(to_html(compare("a b\nc", "a\tb\n\nc"))).text
    assert text == "a[removed: ·][added: →]b\n[added: ↵\n]c"


def test_unchanged_lines_are_folded_with_context() -> None:
    numbers = [f"line {number}\n" for number in range(100)]
    html = to_html(compare("".join(numbers), "".join([*numbers[:50], "new\n", *numbers[50:]])))
    before, after = html.split("<ins>")
    assert "… 47 unchanged lines …" in before
    assert before.endswith("</details>line 47\nline 48\nline 49\n")
    assert "line 50\nline 51\nline 52\n<details" in after
    assert Parts(html).text.count("line 20") == 1  # within the fold


def test_very_long_passages_are_shortened() -> None:
    before = "old\n" * 100_000
    parts = Parts(to_html(compare("a\n" + before, "a\n" + "new\n" * 100_000)))
    assert "… 99,879 more lines removed …" in parts.text
    assert "… 99,879 more lines added …" in parts.text
    parts = Parts(to_html(compare(before + "x", before + "y")))
    assert "… 99,997 unchanged lines …" in parts.text
    assert parts.tags.count("details") == 0


def test_long_line_is_folded() -> None:
    text = "word " * 2_000
    html = to_html(compare(text + "old " + text, text + "new " + text))
    assert html.count("unchanged characters …") == 2
    assert Parts(html).text.count("word") == 4_000


def test_column_added_to_a_table_is_shown_row_by_row() -> None:
    before = "| Region | Revenue |\n|---|---|\n| North | 1.9 |\n| South | 1.3 |\n\nIt will grow."
    after = "| Region | Revenue | Growth |\n|---|---|---|\n| North | 1.9 | +14 % |\n| South | 1.3 | +9 % |\n"
    after += "\nIt may shrink."
    changes = [tuple(segment) for segment in compare(before, after).segments if segment.kind != "equal"]
    assert changes == [
        ("added", " Growth |"),
        ("added", "---|"),
        ("added", " +14 % |"),
        ("added", " +9 % |"),
        ("removed", "will grow"),
        ("added", "may shrink"),
    ]


def test_added_and_removed_rows_between_changed_rows() -> None:
    before = "alpha costs 10 euro\nbeta costs 20 euro\ngamma costs 30 euro\n"
    after = "alpha costs 11 euro\ngamma costs 31 euro\ndelta is free of charge\n"
    changes = [tuple(segment) for segment in compare(before, after).segments if segment.kind != "equal"]
    assert changes == [
        ("removed", "10"),
        ("added", "11"),
        ("removed", "beta costs 20 euro\n"),
        ("removed", "30"),
        ("added", "31"),
        ("added", "delta is free of charge\n"),
    ]

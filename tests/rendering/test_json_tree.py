from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hitl_rendering import render
from hitl_rendering.json_tree import MAX_VALUES, Document
from tests.notebook.hostile import HOSTILE, Parts, harmless

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES, st.booleans(), st.sampled_from([None, 0, 3]))
def test_indented_json_has_the_same_value(value: object, ascii_only: bool, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    document = Document(text)
    assert json.dumps(json.loads(document.pretty())) == json.dumps(value)
    harmless(document.tree())


@given(VALUES)
def test_indentation_matches_python(value: object) -> None:
    if "\\ud" not in json.dumps(value):
        assert Document(json.dumps(value)).pretty() == json.dumps(value, indent=2, ensure_ascii=False)


@pytest.mark.parametrize("text", HOSTILE)
def test_keys_and_values_are_escaped(text: str) -> None:
    source = json.dumps({text: text, "list": [text, [text + "\n" + text]], f"{text}{text}": {text: None}})
    parts = harmless(render.output(source, "json"))
    for escaped in (json.dumps(text, ensure_ascii=False), json.dumps(text + text, ensure_ascii=False)):
        assert escaped in parts.text
    assert set(parts.tags) <= {"div", "span", "details", "summary", "ul", "li", "pre"}


def test_values_are_shown_as_in_the_source() -> None:
    source = '{"a": 1.10, "a": -0, "b": [12345678901234567890, 1E+5, NaN, -Infinity], "c": true, "d": "\\u00fc\\/"}'
    for shown in (Parts(Document(source).tree()).text, Document(source).pretty()):
        for part in ("1.10", "-0", "12345678901234567890", "1E+5", "NaN", "-Infinity", "true", '"ü/"'):
            assert part in shown
        assert shown.count('"a"') == 2


def test_number_too_long_for_python() -> None:
    number = "9" * 10_000
    assert number in Parts(render.output(f"[{number}]", "json")).text


def test_eight_levels_of_short_trees_and_two_of_longer_ones_are_open() -> None:
    nested = '"a": {"b": {"c": {"d": 1}}}'
    tree = Document(f"{{{nested}}}").tree()
    assert re.findall("<details( open)?>", tree) == [" open"] * 4
    assert "1 entry" in tree
    deep = Document('{"a": ' * 10 + "1" + "}" * 10).tree()
    assert re.findall("<details( open)?>", deep) == [" open"] * 8 + ["", ""]
    for more, below in ((55, " open"), (56, "")):  # 60 and 61 values
        tree = Document(f"{{{nested}, {', '.join(f'{json.dumps(str(n))}: {n}' for n in range(more))}}}").tree()
        assert re.findall("<details( open)?>", tree) == [" open", " open", below, below]


def test_empty_containers_are_not_folded() -> None:
    tree = Document('[{}, [], "", 0]').tree()
    assert tree.count("<details") == 1
    assert "0: {}" in Parts(tree).text


def test_multi_line_strings_are_shown_as_lines() -> None:
    tree = Document(json.dumps({"text": "one\n\ttwo\u0000\\n", "other": "no\\nlines"})).tree()
    assert "one\n\ttwo\\u0000\\n" in Parts(tree).text
    assert '"no\\\\nlines"' in Parts(tree).text


def test_lone_surrogates_stay_escaped() -> None:
    assert "\\ud800" in Parts(Document('["\\ud800", "\\udfff\\n"]').tree()).text
    assert Document('"\\ud800"').pretty() == '"\\ud800"'


def test_long_lists_and_objects_are_grouped() -> None:
    parts = Parts(Document(json.dumps({"list": list(range(250))})).tree())
    for group in ("[0 … 99]", "[100 … 199]", "[200 … 249]"):
        assert group in parts.text
    assert parts.tags.count("details") == 5
    assert "[100 … 101]" in Document(json.dumps({str(n): n for n in range(102)})).tree()
    assert "…" not in Document(json.dumps(list(range(100)))).tree()


def test_too_many_values_are_shown_as_text() -> None:
    values = list(range(MAX_VALUES))
    parts = harmless(render.output(json.dumps(values), "json"))
    assert f"This JSON has {MAX_VALUES + 1:,} values. It is shown as text, not as a tree." in parts.text
    assert json.dumps(values, indent=2) in parts.text
    assert "hitl-json" in render.output(json.dumps(values[1:]), "json")


@pytest.mark.parametrize("levels", [61, 500, 100_000])
def test_too_deeply_nested_json_is_shown_unchanged(levels: int) -> None:
    source = "[" * levels + "]" * levels
    assert source in Parts(render.output(source, "json")).text
    assert render.comparable(source, "json") == source


def test_sixty_levels_are_shown_as_tree() -> None:
    assert Parts(render.output("[" * 60 + "]" * 60, "json")).tags.count("details") == 59


def test_indentation_does_not_inflate_the_output() -> None:
    source = "[" * 59 + "1," * 50_000 + "1" + "]" * 59
    assert len(render.output(source, "json")) < 2 * len(source)


@pytest.mark.parametrize("text", ["", "{", "[1,]", "{'a': 1}", "[1] x", "\ufeff[]", '"\n"', "nul", "[" * 100_000])
def test_invalid_json_is_shown_unchanged(text: str) -> None:
    assert render.output(text, "json") == render.plain(text)
    with pytest.raises(ValueError, match=r"\w"):
        Document(text)

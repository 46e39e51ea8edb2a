"""The editor of outputs, in a browser under the pages' policy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import expect
from pydantic import BaseModel, Field

from hitl_notebook.panel.es_modules import es_module
from tests.conftest import need_chromium
from tests.support import axe
from tests.support.edit_samples import Call, Contact, Letter, Level, Open, Part, Report, report
from tests.support.editor_stage import Editor, json_text, open_editor

pytestmark = pytest.mark.browser

HOSTILE = '<img src=x onerror="alert(1)"><script>alert(2)</script>'


@pytest.fixture(scope="module")
def _editor() -> Iterator[Editor]:
    with open_editor(need_chromium()) as running:
        yield running


@pytest.fixture
def editor(_editor: Editor) -> Iterator[Editor]:
    """The editor; no test may leave an error, a refusal of the policy or a request to another machine."""
    _editor.page.evaluate("Object.assign(window, { changes: 0, discarded: 0 })")
    yield _editor
    _editor.page.evaluate("editor.close()")
    assert _editor.faults == []


def changed_lines(before: str, after: str) -> list[tuple[str, str]]:
    """Lines that differ, where no line was added or removed."""
    old, new = before.split("\n"), after.split("\n")
    assert len(old) == len(new)
    return [(one, other) for one, other in zip(old, new, strict=True) if one != other]


# --- round trips


def test_what_is_not_changed_comes_back_byte_for_byte(editor: Editor) -> None:
    deep: Any = "end"
    for _ in range(40):
        deep = {"in": [deep]}
    texts = [
        json_text({"b": 2**53 + 1, "a": 1.0, "2": -(2**64), "1": [[], {}, [1, "x", None]], "": "", "deep": deep}),
        '{\n  "big": 1e400,\n  "zero": -0,\n  "exponent": 1E+2,\n  "long": 0.1000000000000000055511151231257\n}',
        json_text(
            {"text": '\N{GRINNING FACE} \u2028 \x7f \t\r\n\\ "q" é', "__proto__": {"x": 1}, "constructor": None}
        ),
        '{\n  "escaped": "\\u00e9 \\/ \\ud83d\\ude00 \\ud800",\n  "\\u006eame": true\n}',
        json_text({HOSTILE: [{HOSTILE: HOSTILE}, {HOSTILE: "other"}]}),
        json_text([{"id": index, "name": f"n{index}"} for index in range(500)]),
        '{"compact":[1,2,{"a":1.50}]}',
    ]
    for text in texts:
        editor.open(text)
        assert editor.value == text
        for view in ("Source", "Form"):
            editor.button(view).click()
            assert (editor.value, editor.is_changed, editor.problem) == (text, False, ""), view
    for value in (report(), report(500)):
        text = editor.open_model(value)
        editor.button("Source").click()
        editor.button("Form").click()
        assert (editor.value, editor.is_changed) == (text, False)
    assert editor.page.evaluate("window.changes") == 0
    assert editor.root.locator("img, script").count() == 0


def test_a_changed_field_changes_its_line_only(editor: Editor) -> None:
    text = editor.open_model(report())
    editor.by_label("Invoice").fill("9007199254740995")
    assert changed_lines(text, editor.value) == [
        ('  "invoice": 9007199254740993,', '  "invoice": 9007199254740995,')
    ]
    assert editor.is_changed
    editor.by_label("Invoice").fill("9007199254740993")
    assert not editor.is_changed, "typed back"
    editor.by_label("Summary").fill('Two\nlines, "quoted" \N{GRINNING FACE}')
    assert changed_lines(text, editor.value)[0][1] == '  "summary": "Two\\nlines, \\"quoted\\" \N{GRINNING FACE}",'
    Report.model_validate_json(editor.value)
    # What was no JSON when it was opened does not come back.
    editor.open('{"a": 1,}', original='{"a":0}')
    editor.by_label("JSON source of the output").fill('{"a": 1}')
    editor.button("Form").click()
    editor.by_label("a").fill("2")
    editor.button("Source").click()
    editor.button("Form").click()
    editor.by_label("a").fill("1")
    assert editor.value == '{\n  "a": 1\n}'
    # An edit that is taken back in the other view is none, too.
    editor.open('{"a":1}')
    editor.by_label("a").fill("2")
    editor.button("Source").click()
    assert editor.value == '{\n  "a": 2\n}'
    editor.button("Form").click()
    editor.by_label("a").fill("1")
    assert not editor.is_changed


def test_text_keeps_its_line_ends(editor: Editor) -> None:
    text = "one\r\ntwo\nthree\rfour\r\n"
    editor.open(text, format="text", display="markdown")
    assert (editor.value, editor.is_changed) == (text, False)
    field = editor.by_label("Text of the output")
    field.fill("one\ntwo\n2 and a half\nthree\nfour\n")
    assert editor.value == "one\r\ntwo\n2 and a half\r\nthree\rfour\r\n"
    editor.open(json_text({"a": text}))
    editor.by_label("a").fill("one\ntwo!\nthree\nfour\n")
    assert json.loads(editor.value) == {"a": "one\r\ntwo!\nthree\rfour\r\n"}


# --- fields


def test_a_number_is_kept_as_typed_and_must_be_one(editor: Editor) -> None:
    text = editor.open_model(report())
    ratio = editor.by_label("Ratio")
    for typed in ("1e400", "-0.10", "123456789012345678901234567890.5", "1E5"):
        ratio.fill(typed)
        assert editor.problem == ""
        assert changed_lines(text, editor.value) == [('  "ratio": 1.0,', f'  "ratio": {typed},')]
    for typed, words in (
        ("12a", '"12a" is not a number'),
        ("1,5", "not a number"),
        ("", "A number is missing"),
        ("01", "not"),
    ):
        ratio.fill(typed)
        assert editor.problem.startswith("ratio: ")
        assert words in editor.problem
    ratio.fill("NaN")
    expect(ratio).not_to_have_attribute("aria-invalid", "true")  # not while somebody types
    ratio.press("Tab")
    expect(ratio).to_have_attribute("aria-invalid", "true")
    expect(ratio).to_have_accessible_description(
        '"NaN" is not a number. Write digits, with a point for decimals: 1250.5'
    )
    ratio.fill("2.50")
    expect(ratio).not_to_have_attribute("aria-invalid", "true")
    editor.by_label("Revenue, row 2 of Regions").fill("x")
    expect(editor.by_label("Revenue, row 2 of Regions")).to_have_accessible_description("In thousands of euros")
    editor.button("Preview").focus()
    assert editor.page.evaluate("editor.showProblem()")
    assert editor.focused == "Revenue, row 2 of Regions"
    expect(editor.by_label("Revenue, row 2 of Regions")).to_have_accessible_description(
        '"x" is not a number. Write digits, with a point for decimals: 1250.5 In thousands of euros'
    )
    editor.button("Source").click()
    assert "is not a number" not in editor.problem
    assert editor.problem.startswith("Line ")
    assert '"revenue": x,' in editor.value, "what was typed is still there"
    # The field says it when it is left, when a preview is asked for, and when the host asks: once.
    editor.open_model(report())
    ratio.fill("")
    ratio.press("Tab")
    for _ in range(2):
        editor.button("Preview").click()
        assert editor.page.evaluate("editor.showProblem()")
        expect(ratio).to_have_accessible_description("A number is missing.")


def test_no_value_and_an_empty_text_are_two_things(editor: Editor) -> None:
    text = editor.open_model(report())
    remark, unset = editor.by_label("Remark"), editor.by_label("Not set: Remark")
    expect(unset).to_be_checked()
    expect(remark).to_have_attribute("placeholder", "not set")
    remark.fill("x")
    expect(unset).not_to_be_checked()
    remark.fill("")
    assert changed_lines(text, editor.value) == [('  "remark": null,', '  "remark": "",')]
    expect(remark).to_have_attribute("placeholder", "empty text")
    unset.check()
    assert not editor.is_changed
    unset.uncheck()
    assert editor.focused == "Remark"
    assert Report.model_validate_json(editor.value).remark == ""
    remark.fill("two\nlines")
    unset.check()
    expect(remark).to_have_value("")
    assert Report.model_validate_json(editor.value).remark is None
    unset.uncheck()
    expect(remark).to_have_value("two\nlines")
    assert Report.model_validate_json(editor.value).remark == "two\nlines"
    share = editor.by_label("Share")
    share.fill("0.5")
    assert Report.model_validate_json(editor.value).share == 0.5
    share.fill("")
    assert Report.model_validate_json(editor.value).share is None
    editor.by_label("Approved").select_option("no")
    assert Report.model_validate_json(editor.value).approved is False
    note = editor.by_label("Note, row 2 of Regions")
    note.fill("seen")
    editor.by_label("Not set: Note, row 2 of Regions").check()
    assert Report.model_validate_json(editor.value).regions[1].note is None
    # A member that was not there stays away until it has a value.
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"type": "integer"}, "c": {"type": "string"}},
    }
    before = json_text({"a": "x", "c": "y"})
    editor.open(before, schema=schema)
    editor.by_label("b").fill("7")
    assert list(json.loads(editor.value)) == ["a", "b", "c"]
    editor.by_label("b").fill("")
    assert (editor.value, editor.is_changed) == (before, False)


def test_choices_switches_and_times(editor: Editor) -> None:
    text = editor.open_model(report())
    editor.by_label("Level").select_option("high")
    editor.by_label("Final").uncheck()
    editor.by_label("Due").fill("2027-01-01")
    editor.by_label("Starts").fill("10:00")
    sent = editor.by_label("Sent At")
    expect(sent).to_have_accessible_description("UTC")
    sent.fill("2026-02-03T04:05:00")
    editor.by_label("Checked, row 1 of Regions").check()
    assert [new.strip() for _, new in changed_lines(text, editor.value)] == [
        '"due": "2027-01-01",',
        '"sent_at": "2026-02-03T04:05:00Z",',
        '"starts": "10:00:00",',
        '"level": "high",',
        '"final": false,',
        '"checked": true,',
    ]
    Report.model_validate_json(editor.value)

    class Log(BaseModel):
        at: datetime

    text = editor.open_model(Log(at=datetime.fromisoformat("2026-01-02T03:04:05.123456+01:30")))
    field = editor.by_label("At")
    assert field.evaluate("one => one.localName") == "textarea", "the browser's input has milliseconds only"
    field.fill("2026-01-02T03:04:05.123457+01:30")
    assert Log.model_validate_json(editor.value).at.microsecond == 123457
    # What is not among the choices stays.
    editor.open(json_text({"level": "odd"}), schema={"properties": {"level": {"enum": ["low", "high", 3]}}})
    assert editor.by_label("level").evaluate("one => one.selectedOptions[0].text") == "odd (not one of the choices)"
    editor.by_label("level").select_option("3")
    assert json.loads(editor.value) == {"level": 3}


def test_a_date_of_which_a_part_is_missing_is_told(editor: Editor) -> None:
    class Plan(BaseModel):
        start: date
        end: date | None = None
        at: datetime | None = None
        alarm: time | None = None

    text = editor.open_model(Plan(start=date(2026, 1, 2)))
    words = "The date is not complete."
    end, keyboard = editor.by_label("End"), editor.page.keyboard
    end.focus()
    keyboard.type("03")
    assert editor.problem == f"end: {words}"
    assert editor.is_changed
    expect(end).not_to_have_attribute("aria-invalid", "true")  # not while somebody types
    editor.button("Preview").focus()
    expect(end).to_have_accessible_description(words)
    assert editor.page.evaluate("editor.showProblem()")
    expect(end).to_have_accessible_description(words)
    assert editor.page.evaluate("document.activeElement.id") == end.get_attribute("id")
    editor.page.evaluate("editor.lock(true)")
    end.evaluate("one => one.dispatchEvent(new Event('blur'))")
    editor.page.evaluate("editor.lock(false)")
    assert editor.problem == f"end: {words}", "a decision that was refused leaves it as it was"
    end.focus()
    keyboard.type("03152026")
    assert editor.problem == ""
    expect(end).not_to_have_attribute("aria-invalid", "true")
    assert Plan.model_validate_json(editor.value).end == date(2026, 3, 15)
    keyboard.press("Backspace")
    assert editor.problem == f"end: {words}"
    end.fill("")
    assert (editor.value, editor.is_changed) == (text, False)
    start = editor.by_label("Start")
    start.focus()
    keyboard.press("Delete")
    assert editor.problem == f"start: {words}"
    start.fill("2026-01-02")
    for name, problem in (("At", "The date and time are not complete."), ("Alarm", "The time is not complete.")):
        editor.by_label(name).focus()
        keyboard.type("03")
        assert editor.problem == f"{name.lower()}: {problem}"
        editor.by_label(name).fill("")
        assert (editor.value, editor.is_changed) == (text, False)

    # In a group of which another kind was chosen meanwhile, the date is still one that is missing.
    class Trip(BaseModel):
        kind: Literal["trip"] = "trip"
        back: date | None = None

    class Choice(BaseModel):
        what: Trip | Letter = Field(discriminator="kind")

    editor.open_model(Choice(what=Trip()))
    editor.by_label("Back").focus()
    keyboard.type("03")
    editor.by_label("Kind").first.select_option("Letter")
    editor.by_label("Kind").first.select_option("Trip")
    expect(editor.by_label("Back")).to_have_attribute("type", "date")
    assert editor.problem == f"what › back: {words}"


def test_one_of_several_kinds(editor: Editor) -> None:
    text = editor.open_model(report())
    step = editor.root.get_by_role("group", name="Next Step", exact=True)
    kind = step.get_by_label("Kind", exact=True)
    expect(kind.locator("option:checked")).to_have_text("Letter")
    kind.select_option("Call")
    assert editor.problem == "next_step › minutes: A number is missing."
    step.get_by_label("Minutes").fill("15")
    assert Report.model_validate_json(editor.value).next_step == Call(subject="Figures", minutes=15)
    kind.select_option("Letter")
    assert editor.value == text, "what the other kind had is still there"
    answer = editor.root.get_by_role("group", name="Answer", exact=True)
    answer.get_by_label("Kind", exact=True).select_option("Text")
    answer.get_by_label("Value").fill("forty-two")
    assert Report.model_validate_json(editor.value).answer == "forty-two"


def test_a_group_that_need_not_be_there(editor: Editor) -> None:
    text = editor.open_model(report())
    editor.button("Set Contact").press("Enter")
    assert editor.focused == "Name"
    editor.page.keyboard.type("Ann")
    contact = Report.model_validate_json(editor.value).contact
    assert contact is not None
    assert (contact.name, contact.email) == ("Ann", None)
    editor.button("Clear Contact").press("Enter")
    assert editor.focused == "Set Contact"
    assert (editor.value, editor.is_changed) == (text, False)
    editor.button("Set Contact").click()
    assert '"Ann"' in editor.value, "what was cleared comes back"


# --- lists


def test_rows_are_added_and_removed_by_mouse(editor: Editor) -> None:
    text = editor.open_model(report())
    editor.button("Remove row 2 of Regions").click()
    assert [region.name for region in Report.model_validate_json(editor.value).regions] == ["EMEA", "Latin America"]
    assert editor.focused == "Remove row 2 of Regions"
    expect(editor.root.get_by_text("Row 2 was removed.")).to_be_visible()
    editor.button("Put row 2 of Regions back").click()
    assert (editor.value, editor.is_changed) == (text, False)
    editor.button("Remove row 2 of Regions").click()
    editor.button("Add row to Regions").click()
    expect(editor.root.get_by_text("Row 2 was removed.")).to_be_visible()
    editor.button("Put row 2 of Regions back").click()
    expect(editor.root.get_by_text("was removed.")).to_have_count(0)
    assert [region["name"] for region in json.loads(editor.value.replace(": ,", ": 0,"))["regions"]] == [
        "EMEA", "APAC", "Latin America", "",
    ]  # fmt: skip
    editor.button("Remove row 4 of Regions").click()
    assert (editor.value, editor.is_changed) == (text, False)
    editor.button("Add row to Regions").click()
    assert editor.focused == "Name, row 4 of Regions"
    assert editor.problem == "regions › 4 › revenue: A number is missing."
    editor.page.keyboard.type("ANZ")
    editor.by_label("Revenue, row 4 of Regions").fill("9.50")
    assert '"revenue": 9.50,' in editor.value
    regions = Report.model_validate_json(editor.value).regions
    assert regions[3].model_dump() == {
        "name": "ANZ",
        "revenue": 9.5,
        "level": "low",
        "checked": False,
        "note": None,
    }
    for _ in range(4):
        editor.button("Remove row 1 of Regions").click()
    assert editor.focused == "Add row to Regions"
    assert Report.model_validate_json(editor.value).regions == []
    assert '"regions": [],' in editor.value


def test_lists_and_names_by_keyboard(editor: Editor) -> None:
    editor.open_model(report())
    keyboard = editor.page.keyboard
    editor.button("Add item to Tags").press("Enter")
    assert editor.focused == "Tags, item 3"
    keyboard.type("new")
    keyboard.press("Tab")
    assert editor.focused == "Remove item 3 of Tags"
    keyboard.press("Shift+Tab")
    keyboard.press("Shift+Tab")
    keyboard.press("Enter")
    assert Report.model_validate_json(editor.value).tags == ["quarter", "new"]
    editor.button("Add to Counts").press("Enter")
    assert editor.focused == "Name"
    assert editor.problem == 'counts › "": A name is missing.'
    keyboard.type("b")
    assert editor.problem == 'counts › b: The name "b" is there twice.'
    keyboard.press("Tab")
    name = editor.root.get_by_label("Name", exact=True).and_(editor.root.locator("[aria-invalid=true]"))
    expect(name).to_have_value("b")
    keyboard.type("5")
    keyboard.press("Shift+Tab")
    keyboard.press("Backspace")
    keyboard.type("c")
    assert editor.problem == ""
    assert list(Report.model_validate_json(editor.value).counts.items()) == [("2", 2), ("b", 1), ("a", 3), ("c", 5)]
    editor.button("Remove b from Counts").press("Enter")
    assert editor.focused == "Remove a from Counts"
    assert list(Report.model_validate_json(editor.value).counts) == ["2", "a", "c"]
    editor.button("Add to Counts").press("Enter")
    keyboard.type("d")
    keyboard.press("Tab")
    keyboard.type("6")
    expect(editor.root.get_by_text("b was removed.")).to_be_visible()
    editor.button("Put b back into Counts").press("Enter")
    assert editor.focused == "Remove b from Counts"
    expect(editor.button("Put b back into Counts")).to_be_hidden()
    assert list(Report.model_validate_json(editor.value).counts.items()) == [
        ("2", 2), ("b", 1), ("a", 3), ("c", 5), ("d", 6),
    ]  # fmt: skip


def test_long_lists_are_drawn_in_parts(editor: Editor) -> None:
    text = editor.open_model(report(350))
    rows = editor.root.locator(".hitl-edit-table tbody tr")
    expect(rows).to_have_count(100)
    expect(editor.root.get_by_text("100 of 350 rows are shown.")).to_be_visible()
    editor.button("Show 100 more of Regions").press("Enter")
    expect(rows).to_have_count(200)
    assert editor.focused == "Name, row 101 of Regions"
    editor.errors((["regions", 320, "revenue"], "Too much."))
    assert editor.focused == "Revenue, row 321 of Regions"
    assert (editor.value, editor.is_changed) == (text, False)
    editor.by_label("Revenue, row 321 of Regions").fill("1")
    assert len(changed_lines(text, editor.value)) == 1


def test_a_type_that_holds_itself(editor: Editor) -> None:
    text = editor.open_model(report())
    editor.root.locator("summary", has_text="Parts").first.click()
    group = editor.root.locator("details.hitl-edit-group[open]").first
    group.get_by_role("button", name="Add item").click()
    editor.page.keyboard.type("Deep")
    part = Report.model_validate_json(editor.value).parts[0].parts[0]
    assert part.parts == [Part(title="Deep")]
    editor.open(text, schema={"$ref": "#"})
    assert editor.value == text
    editor.open_model(Part(title="Top"))
    assert editor.by_label("Title").input_value() == "Top"


def test_lists_of_all_kinds_of_items(editor: Editor) -> None:
    class Lists(BaseModel):
        grid: list[list[int]]
        steps: list[Letter | Call]
        people: list[Contact | None]
        pair: tuple[int, str]
        records: list[dict[str, Any]]
        maybe: list[int | None]
        groups: dict[str, list[Contact]]
        levels: dict[Level, float]

    editor.open_model(
        Lists(
            grid=[[1, 2], [3]],
            steps=[Call(subject="Ann", minutes=3)],
            people=[None, Contact(name="Bob")],
            pair=(1, "x"),
            records=[{"a": 1, "b": "x"}, {"a": 2.0, "b": None}],
            maybe=[1, None],
            groups={"first": [Contact(name="Eve")]},
            levels={Level.LOW: 1.0},
        )
    )
    assert not editor.is_changed
    editor.by_label("Grid, item 1, item 2").fill("20")
    editor.button("Remove item 1 of Grid").click()
    assert editor.button("Remove item 1 of Grid, item 1").count() == 1, "what follows is counted anew"
    editor.button("Put item 1 of Grid back").click()
    editor.button("Add item to Grid, item 2").click()
    editor.page.keyboard.type("4")
    editor.button("Set People, item 1").click()
    editor.page.keyboard.type("Ada")
    editor.by_label("Pair, item 1").fill("5")
    editor.by_label("b, row 2 of Records").fill("y")
    editor.button("Add row to Records").click()
    editor.page.keyboard.type("3")
    editor.by_label("Maybe, item 2").fill("7")
    editor.by_label("Maybe, item 1").fill("")
    editor.button("Add row to Value").click()
    editor.page.keyboard.type("Flo")
    editor.root.get_by_role("group", name="Steps, item 1").get_by_label("Minutes").fill("4")
    assert editor.problem == ""
    assert Lists.model_validate_json(editor.value).model_dump(mode="json") == {
        "grid": [[1, 20], [3, 4]],
        "steps": [{"kind": "call", "subject": "Ann", "minutes": 4}],
        "people": [{"name": "Ada", "email": None}, {"name": "Bob", "email": None}],
        "pair": [5, "x"],
        "records": [{"a": 1, "b": "x"}, {"a": 2.0, "b": "y"}, {"a": 3, "b": None}],
        "maybe": [None, 7],
        "groups": {"first": [{"name": "Eve", "email": None}, {"name": "Flo", "email": None}]},
        "levels": {"low": 1.0},
    }
    assert editor.root.get_by_role("button", name="of Pair").count() == 0, "it has two items"


# --- what the schema does not say


def test_parts_without_a_schema_are_kept_and_can_be_edited(editor: Editor) -> None:
    class Holder(BaseModel):
        name: str
        anything: Any

    text = editor.open_model(Holder(name="x", anything=[1, [2.0, {"b": 2**60}]]))
    source = editor.by_label("Anything")
    source.fill('{"b": 1.0, "a": [')
    assert editor.problem.startswith("anything: Line 1, column 18: it ends here")
    source.press("Tab")
    expect(source).to_have_attribute("aria-invalid", "true")
    source.fill('{"b": 1.00, "a": []}')
    assert editor.value == '{\n  "name": "x",\n  "anything": {\n    "b": 1.00,\n    "a": []\n  }\n}'
    editor.open(text, schema=Holder.model_json_schema())
    more = editor.open_model(Open.model_validate({"name": "x", "size": 2**53 + 1, "more": {"a": None}}))
    editor.by_label("size").fill("3")
    assert changed_lines(more, editor.value) == [('  "size": 9007199254740993,', '  "size": 3,')]
    # No schema at all.
    editor.open(
        json_text({"rows": [{"a": 1, "b": "x"}, {"a": 2.5}], "mixed": [1, "a"], "flag": True, "none": None})
    )
    editor.by_label("b, row 2 of rows").fill("y")
    editor.by_label("mixed").fill('[1, "b"]')
    editor.by_label("flag").uncheck()
    editor.by_label("none").fill("0")
    assert json.loads(editor.value) == {
        "rows": [{"a": 1, "b": "x"}, {"a": 2.5, "b": "y"}], "mixed": [1, "b"], "flag": False, "none": 0,
    }  # fmt: skip


def test_values_and_schemas_that_do_not_fit_break_nothing(editor: Editor) -> None:
    text = json_text({"a": {"x": 1}, "b": "text", "c": [1], "d": None, "__proto__": 1})
    hostile: list[Any] = [
        {
            "type": "object",
            "properties": {
                "a": {"type": "integer"},
                "b": {"type": "array"},
                "c": {"const": 1},
                "d": {"type": "string"},
            },
        },
        {
            "properties": {"a": {"$ref": "#/$defs/A"}, "b": {"$ref": "https://example.org/x"}},
            "$defs": {"A": {"$ref": "#/$defs/A"}},
        },
        {"properties": ["a"], "required": 5, "anyOf": "x", "allOf": [], "enum": {}, "title": 7, "type": 5},
        {"properties": {"a": None, "b": True, "c": {"anyOf": []}, "d": {"anyOf": [{"type": "null"}]}}},
        {"properties": {HOSTILE: {"title": HOSTILE, "description": HOSTILE, "enum": [HOSTILE]}}, "title": HOSTILE},
        {"$ref": "#/constructor/prototype"},
        {"$ref": "#/%zz"},
        {"anyOf": [{"$ref": "#"}, {"type": "null"}]},
        {"anyOf": [{"$ref": "#"}, {"type": "string"}]},
        {"type": ["object", "string", "null"]},
        {"allOf": [{"properties": {"b": {"type": "string"}}}, {"properties": {"c": {}}}]},
        True,
        [],
    ]
    for schema in hostile:
        editor.open(text, schema=schema)
        assert (editor.value, editor.is_changed) == (text, False), schema
    assert editor.root.locator("img, script").count() == 0
    editor.open('"only a text"')
    expect(editor.button("Form")).to_be_hidden()
    editor.open('"only a text"', schema={"type": "string"})
    editor.by_label("Output").fill("another")
    assert editor.value == '"another"'
    editor.open(json_text({"a": "x" * 300_001}))
    expect(editor.root.get_by_text("It is too long for a form: this is its source.")).to_be_visible()


# --- the source


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ('{"a": 1,\n "a": 2}', 'Line 2, column 2: the name "a" is there twice.'),
        ('{"a": NaN}', "Line 1, column 7: NaN is not JSON. Write a number, or null."),
        ('{"a": -Infinity}', "Line 1, column 7: -Infinity is not JSON. Write a number, or null."),
        ('{"a": None}', "Line 1, column 7: None is not JSON. Write null."),
        ('{"a": 1,}', "Line 1, column 8: there is a comma too many before }."),
        ('["\N{GRINNING FACE}" 1]', "Line 1, column 6: a comma or ] is missing here."),
        ('{"a" 1}', 'Line 1, column 6: a colon is missing after the name "a".'),
        ("{'a': 1}", 'Line 1, column 2: a name in double quotes is missing here, such as "name".'),
        ("['a']", "Line 1, column 2: texts stand in double quotes."),
        ('["a\nb"]', "Line 1, column 4: the closing double quote is missing on this line."),
        ('["\\x"]', "Line 1, column 3: after a backslash comes one of"),
        ('["a', "Line 1, column 2: the closing double quote of this text is missing."),
        ("[1.]", "Line 1, column 2: 1. is not a number as JSON writes it."),
        ("[1] 2", "Line 1, column 5: the JSON ends before this."),
        ("[1, // x\n2]", "Line 1, column 5: JSON has no comments."),
        ("[yes]", "Line 1, column 2: yes is not JSON. Texts stand in double quotes."),
        ("[:]", "Line 1, column 2: a value is missing here."),
        ("  ", "Line 1, column 3: there is no JSON here."),
        ("[" * 500, "Line 1, column 401: it is nested more than 400 levels deep."),
    ],
)
def test_a_mistake_in_the_source_is_told_with_its_place(editor: Editor, source: str, words: str) -> None:
    editor.open('{"a": 1}')
    editor.button("Source").click()
    field = editor.by_label("JSON source of the output")
    field.fill(source)
    assert editor.problem.startswith(words)
    editor.button("Form").click()
    assert editor.focused == "JSON source of the output"
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(editor.root.get_by_text(words)).to_be_visible()


def test_what_was_typed_is_cut_in_messages(editor: Editor) -> None:
    long, face = "W" * 20_000, "\N{GRINNING FACE}"
    editor.open('{"a": 1}')
    editor.button("Source").click()
    field = editor.by_label("JSON source of the output")
    for source, words in (
        (f"[{long}]", f"Line 1, column 2: {'W' * 80}… is not JSON. Texts stand in double quotes."),
        (f"[{'1' * 20_000}x]", f"Line 1, column 2: {'1' * 80}… is not a number as JSON writes it."),
        (f'{{"{long}" 1}}', f'Line 1, column 20005: a colon is missing after the name "{"W" * 80}…".'),
        (f'{{"{long}": 1, "{long}": 2}}', f'Line 1, column 20009: the name "{"W" * 80}…" is there twice.'),
    ):
        field.fill(source)
        assert editor.problem == words
    field.fill(json_text({long: 1, "b": [1, "x"]}))
    editor.button("Form").click()
    editor.by_label(long).fill(face * 90)
    why = f'"{face * 80}…" is not a number. Write digits, with a point for decimals: 1250.5'
    assert editor.problem == f"{'W' * 80}…: {why}"
    editor.by_label(long).fill("1")
    editor.by_label("b").fill(f"[{long}")
    assert editor.problem == f"b: Line 1, column 2: {'W' * 80}… is not JSON. Texts stand in double quotes."
    editor.open(json_text({long: 1}), schema={"type": "object"})
    editor.button("Add to Output").click()
    editor.page.keyboard.insert_text(long)
    assert editor.problem == f'{"W" * 80}…: The name "{"W" * 80}…" is there twice.'


def test_the_form_takes_over_what_the_source_says(editor: Editor) -> None:
    text = editor.open_model(report())
    editor.button("Source").click()
    field = editor.by_label("JSON source of the output")
    assert field.input_value() == text
    field.fill(text.replace('"invoice": 9007199254740993', '"invoice": 9007199254740997'))
    editor.button("Form").click()
    assert editor.by_label("Invoice").input_value() == "9007199254740997"
    assert len(changed_lines(text, editor.value)) == 1
    assert editor.page.evaluate("window.changes") > 0


# --- errors


def test_errors_are_shown_at_their_fields(editor: Editor) -> None:
    editor.open_model(report())
    editor.root.locator("summary", has_text="One").first.click()
    editor.errors(
        (["headline"], "String should have at most 10 characters"),
        (["headline"], "It must end with a point"),
        (["next_step", "body"], "Too long"),
        (["next_step"], "Another kind is wanted"),
        (["counts", "a"], "Too big"),
        (["parts", 0, "parts", 0, "title"], "Too short"),
        (["regions", 1], "'level' is missing"),
        (["contact", "name"], "Field required"),
    )
    assert editor.focused == "Headline"
    headline = editor.by_label("Headline")
    expect(headline).to_have_attribute("aria-invalid", "true")
    expect(headline).to_have_accessible_description(
        "String should have at most 10 characters It must end with a point One sentence for the first page"
    )
    assert editor.root.locator("[aria-invalid=true]").count() == 5
    for words in (
        "Too long",
        "Another kind is wanted",
        "Too big",
        "Too short",
        "'level' is missing",
        "name: Field required",
    ):
        expect(editor.root.get_by_text(words, exact=True)).to_be_visible()
    headline.fill("Short.")
    expect(headline).not_to_have_attribute("aria-invalid", "true")
    expect(headline).to_have_accessible_description("One sentence for the first page")
    expect(editor.root.get_by_text("Too long")).to_be_visible()
    editor.errors()
    assert editor.root.locator("[aria-invalid=true]").count() == 0
    # Without a field: above the form; the source gives way to the form.
    editor.button("Source").click()
    editor.errors(([], "The sum does not match."), (["invoice"], "Unknown"), (["nowhere", 3], "Odd"))
    expect(editor.root.get_by_role("alert")).to_have_text("The sum does not match.nowhere › 4: Odd")
    assert editor.page.evaluate("document.activeElement.className") == "hitl-edit-errors"
    expect(editor.by_label("Invoice")).to_have_attribute("aria-invalid", "true")
    editor.by_label("Invoice").fill("1")
    expect(editor.root.get_by_role("alert")).to_be_hidden()
    editor.open("text", format="text", errors=[{"path": [], "message": "It is empty."}])
    expect(editor.root.get_by_role("alert")).to_have_text("It is empty.")
    editor.open_model(report(), errors=[{"path": ["invoice"], "message": "Unknown"}])
    assert editor.focused == "Invoice"


def test_there_is_no_preview_of_what_cannot_be_sent(editor: Editor) -> None:
    editor.open_model(report())
    editor.by_label("Ratio").fill("1.")
    editor.button("Preview").click()
    assert editor.focused == "Ratio"
    expect(editor.by_label("Ratio")).to_have_attribute("aria-invalid", "true")
    expect(editor.button("Preview")).to_have_attribute("aria-pressed", "false")


# --- text and code


def test_tab_indents_code_and_holds_nobody_captive(editor: Editor) -> None:
    code = "def f(x):\n    if x:\n        return x\n"
    editor.open(code, format="text", display="code:python")
    field, keyboard = editor.by_label("Text of the output"), editor.page.keyboard
    expect(field).to_have_js_property("spellcheck", False)
    for attribute in ("autocapitalize", "autocorrect"):
        expect(field).to_have_attribute(attribute, "off")
    field.focus()
    field.evaluate("one => one.setSelectionRange(0, 0)")
    keyboard.press("Tab")
    assert editor.value == "    " + code
    keyboard.press("Control+z")
    assert (editor.value, editor.is_changed) == (code, False)
    field.evaluate("one => one.setSelectionRange(10, 30)")
    keyboard.press("Tab")
    assert editor.value == "def f(x):\n        if x:\n            return x\n"
    keyboard.press("Shift+Tab")
    keyboard.press("Shift+Tab")
    assert editor.value == "def f(x):\nif x:\n    return x\n"
    expect(field).to_have_accessible_description(
        "Tab indents. To leave the field by keyboard, press Escape, then Tab."
    )
    keyboard.press("Escape")
    keyboard.press("Tab")
    assert editor.focused == "After"
    field.focus()
    keyboard.press("Escape")
    keyboard.press("Shift+Tab")
    assert editor.focused == "Discard the edit"
    editor.open("a:\n\tb\n", format="text", display="code:makefile")
    field.evaluate("one => { one.focus(); one.setSelectionRange(3, 3); }")
    keyboard.press("Tab")
    assert editor.value == "a:\n\t\tb\n"
    editor.open("words", format="text", display="text")
    field.press("Tab")
    assert editor.focused == "After"


def test_the_preview_shows_the_text_and_what_changed(editor: Editor) -> None:
    page = editor.page
    editor.open("words", format="text", display="markdown")
    page.evaluate(
        """() => {
          window.preview = async (text) => ({ html: shown(`<h1>${text}</h1>`), changes: '<ins>more</ins>' });
        }"""
    )
    editor.by_label("Text of the output").fill("more words")
    editor.button("Preview").click()
    expect(editor.root.get_by_role("heading", name="more words")).to_be_visible()
    expect(editor.root.locator("ins")).to_be_visible()
    assert editor.root.locator("[tabindex='0']").count() == 1, "the output's own region, and no other around it"
    assert editor.root.get_by_role("region").count() == 1
    expect(editor.by_label("Text of the output")).to_be_hidden()
    expect(editor.button("Preview")).to_have_attribute("aria-pressed", "true")
    editor.button("Preview").click()
    expect(editor.by_label("Text of the output")).to_be_visible()
    assert editor.value == "more words"
    page.evaluate("() => { window.preview = () => Promise.reject(new Error('The server is away.')); }")
    editor.button("Preview").click()
    expect(editor.root.get_by_text("There is no preview: The server is away.")).to_be_visible()
    editor.errors(([], "No."))
    expect(editor.by_label("Text of the output")).to_be_visible()
    # An answer that comes too late is not shown.
    page.evaluate("() => { window.preview = () => new Promise((resolve) => (window.late = resolve)); }")
    editor.button("Preview").click()
    editor.button("Preview").click()
    page.evaluate("() => { window.preview = async () => ({ html: 'second', changes: '' }); }")
    editor.button("Preview").click()
    expect(editor.root.get_by_text("second")).to_be_visible()
    page.evaluate("window.late({ html: 'first', changes: '' })")
    expect(editor.root.get_by_text("second")).to_be_visible()
    # The form and the source take the place of the preview.
    editor.open_model(report())
    for view, label in (("Source", "JSON source of the output"), ("Form", "Headline"), ("Form", "Headline")):
        editor.button("Preview").click()
        editor.button(view).click()
        expect(editor.by_label(label)).to_be_visible()
        expect(editor.button("Preview")).to_have_attribute("aria-pressed", "false")


def test_discarding_asks_where_something_was_changed(editor: Editor) -> None:
    def discarded() -> int:
        return int(editor.page.evaluate("window.discarded"))

    editor.open("words", format="text")
    editor.button("Discard the edit").click()
    assert discarded() == 1
    editor.by_label("Text of the output").fill("other words")
    editor.button("Discard the edit").press("Enter")
    assert (discarded(), editor.focused) == (1, "Go on editing")
    editor.page.keyboard.press("Escape")
    assert (discarded(), editor.focused) == (1, "Discard the edit")
    editor.button("Discard the edit").press("Enter")
    editor.button("Discard").press("Enter")
    assert discarded() == 2


def test_while_it_is_locked_nothing_can_be_changed(editor: Editor) -> None:
    editor.open_model(report())
    editor.page.evaluate("editor.lock(true)")
    expect(editor.by_label("Headline")).to_be_disabled()
    expect(editor.button("Add row to Regions")).to_be_disabled()
    editor.page.evaluate("editor.lock(false)")
    expect(editor.by_label("Headline")).to_be_enabled()
    editor.page.evaluate("editor.focus()")
    assert editor.focused == "Headline"


def test_the_widgets_of_the_panel_can_load_it(editor: Editor) -> None:
    """As ``blob:`` URLs, which need imports of one form and without circles."""
    browser = editor.page.context.browser
    assert browser is not None
    with browser.new_page() as page:
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.set_content("<p></p>")
        page.evaluate(
            """async (text) => {
              const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
              window.loaded = await import(url);
            }""",
            es_module("output_editor.js"),
        )
        assert errors == []


# --- for all people, on all screens


def test_everything_has_a_name_and_a_contrast(editor: Editor, tmp_path: Path) -> None:
    page, source = editor.page, axe.source(tmp_path)
    wide = page.viewport_size
    assert wide is not None
    try:
        for width, scheme in ((1100, "light"), (420, "dark")):
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            editor.open_model(report())
            editor.errors((["headline"], "Too long"), (["regions", 1, "revenue"], "Too big"), ([], "Wrong"))
            assert axe.faults(page, source, ".hitl-editor") == []
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"
            editor.button("Source").click()
            assert axe.faults(page, source, ".hitl-editor") == []
            editor.button("Preview").click()
            assert axe.faults(page, source, ".hitl-editor") == []
            editor.open("x = 1", format="text", display="code:python")
            assert axe.faults(page, source, ".hitl-editor") == []
    finally:
        page.set_viewport_size(wide)
        page.emulate_media(color_scheme="light")


def test_long_names_and_values_do_not_widen_the_page(editor: Editor) -> None:
    page = editor.page
    page.set_viewport_size({"width": 420, "height": 900})
    try:
        word = "W" * 300
        editor.open(json_text({word: word, "rows": [{word: word, "n": 10**200}], "deep": {word: {word: [word]}}}))
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        expect(editor.root.locator("thead")).to_have_css("position", "absolute")
    finally:
        page.set_viewport_size({"width": 1100, "height": 900})

"""What a schema says about an edit: words and places, and schemas that somebody wrote to do harm."""

from __future__ import annotations

import datetime
import enum
import json
import socket
import time
import uuid
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from airflow_hitl_review.core.schema import AgentSession
from airflow_hitl_review.server.reviews import output_schema
from airflow_hitl_review.server.reviews.edits import InvalidEditError, checked_edit
from airflow_hitl_review.server.reviews.output_schema import MAX_ERRORS, schema_errors
from airflow_hitl_review.server.reviews.schema_words import FieldError, place_of
from demo.processes import PATIENCE


class Grade(str, enum.Enum):
    GOOD = "good"
    BAD = "bad"


class Region(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str = Field(min_length=2, max_length=5)
    revenue: int = Field(ge=0, lt=100)
    share: float | None = None
    grade: Grade = Grade.GOOD
    until: datetime.date | None = None
    code: str = Field(default="A1", pattern="^[A-Z][0-9]$")


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    age: int


class Report(BaseModel):
    regions: list[Region] = Field(max_length=3)
    tags: set[str] = set()
    pet: Annotated[Cat | Dog, Field(discriminator="kind")] | None = None
    at: datetime.datetime | None = None
    id: uuid.UUID | None = None
    counts: dict[str, int] = {}
    step: int = Field(default=5, multiple_of=5)
    note: str | int = ""


SCHEMA = Report.model_json_schema()
NORTH = {"name": "North", "revenue": 3}


def errors(value: Any, schema: Any = SCHEMA) -> list[tuple[str, str]]:
    return [(place_of(path), message) for path, message in schema_errors(value, schema)]


def of_region(**fields: Any) -> list[tuple[str, str]]:
    found = errors({"regions": [NORTH, {**NORTH, **fields}]})
    assert all(place.startswith("regions[1].") for place, _ in found)
    return [(place.removeprefix("regions[1]."), message) for place, message in found]


def test_fitting_value_has_no_errors() -> None:
    whole = {**NORTH, "share": 1, "grade": "bad", "until": "2026-01-02", "code": "Z9"}
    value = {
        "regions": [whole, {**NORTH, "share": None, "until": None}],
        "tags": ["a", "b"],
        "pet": {"kind": "dog", "age": 3},
        "at": "2026-01-02T03:04:05Z",
        "id": str(uuid.uuid4()),
        "counts": {"a": 2**70},
        "unknown": 1,
    }
    assert errors(value) == []
    assert errors({"regions": []}) == []


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"revenue": "3"}, [("revenue", "must be a whole number")]),
        ({"revenue": True}, [("revenue", "must be a whole number")]),
        ({"revenue": 3.5}, [("revenue", "must be a whole number")]),
        ({"revenue": None}, [("revenue", "must be a whole number")]),
        ({"revenue": -1}, [("revenue", "must be at least 0")]),
        ({"revenue": 100}, [("revenue", "must be less than 100")]),
        ({"name": "N"}, [("name", "must have at least 2 characters")]),
        ({"name": "Northern"}, [("name", "must have at most 5 characters")]),
        ({"name": 5}, [("name", "must be a text")]),
        ({"share": "much"}, [("share", "must be a number or null")]),
        ({"grade": "ugly"}, [("grade", 'must be one of "good", "bad"')]),
        ({"until": "someday"}, [("until", "must be a date, such as 2026-11-27")]),
        ({"until": "2026-02-30"}, [("until", "must be a date, such as 2026-11-27")]),
        ({"until": 5}, [("until", "must be a text or null")]),
        ({"code": "a1"}, [("code", 'must match the pattern "^[A-Z][0-9]$"')]),
        ({"color": "red", "size": 1}, [("color", "is not a known name"), ("size", "is not a known name")]),
        (
            {"name": "N", "revenue": -1},
            [("name", "must have at least 2 characters"), ("revenue", "must be at least 0")],
        ),
    ],
)
def test_words_and_places_of_a_field(fields: dict[str, Any], words: list[tuple[str, str]]) -> None:
    assert sorted(of_region(**fields)) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([], [("it", "must be an object")]),
        ({}, [("regions", "is missing")]),
        ({"regions": {}}, [("regions", "must be a list")]),
        ({"regions": [NORTH] * 4}, [("regions", "must have at most 3 items")]),
        ({"regions": [{"name": "North"}]}, [("regions[0].revenue", "is missing")]),
        ({"regions": [], "tags": ["a", "b", "a"]}, [("tags", "must not have the same item twice")]),
        ({"regions": [], "pet": {"kind": "dog", "age": "old"}}, [("pet.age", "must be a whole number")]),
        ({"regions": [], "pet": {"kind": "cat"}}, [("pet.lives", "is missing")]),
        ({"regions": [], "pet": 5}, [("pet", "must be an object")]),
        ({"regions": [], "at": "then"}, [("at", "must be a date with a time")]),
        ({"regions": [], "id": "7"}, [("id", "must be a UUID")]),
        ({"regions": [], "counts": {"a b": 1.5}}, [("counts.a b", "must be a whole number")]),
        ({"regions": [], "step": 6}, [("step", "must be a multiple of 5")]),
        ({"regions": [], "note": None}, [("note", "must be a text or a whole number")]),
    ],
)
def test_words_and_places_of_the_whole(value: Any, words: list[tuple[str, str]]) -> None:
    assert errors(value) == words


def test_path_has_names_and_indexes_and_the_value_is_not_repeated() -> None:
    (error,) = schema_errors({"regions": [{**NORTH, "revenue": "secret"}]}, SCHEMA)
    assert error == FieldError(("regions", 0, "revenue"), "must be a whole number")
    assert "secret" not in str(error)


def test_only_the_first_errors_are_told() -> None:
    assert len(schema_errors([None] * 10_000, TypeAdapter(list[int]).json_schema())) == MAX_ERRORS
    many = {str(number): 1 for number in range(10_000)}
    assert len(schema_errors(many, {"additionalProperties": False})) == MAX_ERRORS


# --- schemas that are made to do harm


def doubled(depth: int) -> dict[str, Any]:
    """Each level refers to the next one twice."""
    levels = {f"l{n}": {"allOf": [{"$ref": f"#/$defs/l{n + 1}"}] * 2} for n in range(depth)}
    return {"$ref": "#/$defs/l0", "$defs": {**levels, f"l{depth}": {"type": "integer"}}}


NESTED = "(a+)+$"
DIALECT = "http://json-schema.org/draft-07/schema#"
AAA = "a" * 40 + "!"

HOSTILE: dict[str, tuple[Any, Any]] = {
    "exponential allOf": (1, doubled(60)),
    "exponential anyOf": ("x", json.loads(json.dumps(doubled(60)).replace("allOf", "anyOf"))),
    "recursive $ref": (1, {"$ref": "#"}),
    "recursive allOf": (1, {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}),
    "recursive through unevaluatedProperties": (
        {"a": 1},
        {"unevaluatedProperties": False, "allOf": [{"$ref": "#"}, {"$ref": "#"}]},
    ),
    "catastrophic pattern": (AAA, {"pattern": NESTED}),
    "catastrophic pattern of names": ({AAA: 1}, {"propertyNames": {"pattern": NESTED}}),
    "catastrophic patternProperties": ({AAA: 1}, {"patternProperties": {NESTED: {"type": "string"}}}),
    "catastrophic pattern beside additionalProperties": (
        {AAA: 1},
        {"patternProperties": {NESTED: True}, "additionalProperties": False},
    ),
    "catastrophic pattern beside unevaluatedProperties": (
        {AAA: 1},
        {"patternProperties": {NESTED: True}, "unevaluatedProperties": False},
    ),
    "catastrophic pattern of another dialect": (AAA, {"allOf": [{"$schema": DIALECT, "pattern": NESTED}]}),
    "exponential part of another dialect": (
        1,
        {"allOf": [{"$schema": DIALECT, "allOf": [doubled(1)]}, doubled(60)]},
    ),
    "catastrophic pattern by way of the metaschema": (
        {"not": AAA},
        {
            "$dynamicAnchor": "meta",
            "allOf": [{"$ref": "https://json-schema.org/draft/2020-12/meta/applicator"}],
            "pattern": NESTED,
        },
    ),
    "catastrophic pattern by way of a name": (
        {"not": AAA},
        {
            "$id": "https://json-schema.org/draft/2020-12/meta/applicator",
            "$dynamicAnchor": "meta",
            "pattern": NESTED,
            "properties": {"not": {"$dynamicRef": "#meta"}},
        },
    ),
    "large pattern, long text": ("ab" * 400_000, {"pattern": "[ab]*a[ab]{8000}[c-x]"}),
    "large pattern, many texts": (["ab" * 4_000] * 100, {"items": {"pattern": "[ab]*a[ab]{8000}[c-x]"}}),
    "uniqueItems of what cannot be sorted": ([{"a": n} for n in range(100_000)], {"uniqueItems": True}),
    "long enum": ([str(n) for n in range(100_000)], {"items": {"enum": list(range(100_000))}}),
    "large value in each message": (["x" * 1_000_000], {"anyOf": [{"type": "string"}] * 20_000}),
    "contains in contains": ([[[0] * 200] * 200] * 200, {"contains": {"contains": {"contains": {"const": 1}}}}),
    "deep": (1, json.loads('{"not":' * 900 + "{}" + "}" * 900)),
    "a pattern that is none": ("x", {"pattern": 5}),
    "a type that is none": ("x", {"type": [[]]}),
    "properties that are none": ({"a": 1}, {"properties": 5}),
    "a reference to nothing": (1, {"$ref": "#/$defs/nothing"}),
    "division by zero": (1, {"multipleOf": 0}),
    "names that are none": ({"a": 1}, {"required": 5}),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.timeout(120)
def test_hostile_schema_takes_no_long_time_and_raises_nothing(name: str) -> None:
    value, schema = HOSTILE[name]
    start = time.thread_time()
    found = schema_errors(value, schema)
    assert time.thread_time() - start < 5 * PATIENCE
    assert len(found) <= MAX_ERRORS


@pytest.mark.parametrize("address", ["http://127.0.0.1:1/schema", "file:///etc/passwd", "urn:x", DIALECT])
def test_nothing_is_fetched_for_a_reference(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(*given: Any) -> None:
        raise AssertionError(f"a request: {given}")

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr("builtins.open", connect)
    assert schema_errors("x", {"allOf": [{"$ref": address}]}) == []
    assert schema_errors("x", {"$id": "http://127.0.0.1:1/", "$ref": "other.json"}) == []


# --- the check of a whole edit


def session(output: str, **fields: Any) -> AgentSession:
    return AgentSession(current_output=output, **{"allow_modifications": True, "output_format": "json", **fields})


@pytest.mark.parametrize(
    ("output", "edited"),
    [
        ('{"a": [1, 2.0]}', '{\n  "a": [ 1,2.0 ]\n}'),
        ('"\\u00e9"', '"é"'),
        ("100.0", "1e2"),
    ],
)
def test_another_form_of_the_same_json_is_no_edit(output: str, edited: str) -> None:
    assert checked_edit(session(output, allow_modifications=False), edited) is None


@pytest.mark.parametrize(
    ("output", "edited"),
    [("1", "1.0"), ("true", "1"), ("0", "-0.0"), ('{"a":1,"b":2}', '{"b":2,"a":1}'), ('"1"', "1"), ("null", "0")],
)
def test_another_type_or_order_is_an_edit(output: str, edited: str) -> None:
    assert checked_edit(session(output), edited) == edited


def refused(edited: str, output: str = "{}", **fields: Any) -> InvalidEditError:
    with pytest.raises(InvalidEditError) as error:
        checked_edit(session(output, **fields), edited)
    json.dumps([str(error.value), error.value.errors], ensure_ascii=False).encode()  # it can be answered
    return error.value


@pytest.mark.parametrize(
    ("edited", "path", "words"),
    [
        ("{", (), "The edit is not JSON: Expecting property name enclosed in double quotes, in line 1, column 2."),
        ("", (), "The edit is not JSON"),
        ("[1] 2", (), "Extra data"),
        ("[NaN]", (0,), "The edit cannot be stored: [0] is NaN"),
        ("[1, -Infinity]", (1,), "[1] is NaN, Infinity"),
        ("1e999", (), "it is NaN, Infinity or too large"),
        ('{"a": 1, "b": {"c": 1, "c": 2}}', (), "the name 'c' stands twice in one object"),
        ('{"a": "x\\u0000"}', ("a",), "a has a character that cannot be stored: U+0000"),
        ('["\\ud800"]', (0,), "[0] has a character that cannot be stored: U+D800"),
        ('["\ud800"]', (0,), "[0] has a character that cannot be stored: U+D800"),
        ('{"\\ud800": ["\\ud800"]}', (), "it has the name '\\ud800', which cannot be stored"),
        ('{"a": {"__classname__": 1}}', ("a",), "a has the name '__classname__'"),
        ('{"__id__": 1}', (), "has the name '__id__'"),
        ("[" * 201 + "]" * 201, (0, 0, 0), "[0][0][0] has more than 200 levels"),
        ("[" * 100_000 + "]" * 100_000, (), "The edit cannot be read"),
        ("[" + "9" * 5_000 + "]", (), "The edit cannot be read"),
    ],
)
def test_what_cannot_be_read_or_stored_is_refused(edited: str, path: tuple[Any, ...], words: str) -> None:
    error = refused(edited)
    assert words in str(error)
    assert error.errors[0].path == path


@pytest.mark.parametrize("character", ["\0", "\udbff"])
def test_text_that_cannot_be_stored_is_refused(character: str) -> None:
    error = refused(f"a{character}", "Draft", output_format="text")
    assert f"U+{ord(character):04X}" in str(error)


def test_places_are_told_in_their_order_and_not_all() -> None:
    error = refused(json.dumps(["\0"] * 10_000))
    assert [one.path for one in error.errors] == [(number,) for number in range(MAX_ERRORS)]


@pytest.mark.timeout(30)
def test_a_name_twice_among_many_is_found_quickly() -> None:
    names = ", ".join(f'"{number}": 0' for number in range(80_000))
    assert "'x'" in str(refused(f'{{{names}, "x": 1, "x": 2}}'))


def test_edit_says_why_it_cannot_be_taken() -> None:
    why = "The output cannot be edited: no."
    error = refused("1", "2", allow_modifications=False, modifications_refused=why)
    assert (str(error), error.errors) == (why, ())
    old = refused("1", "2", allow_modifications=False)
    assert str(old) == "The output cannot be edited: its task does not support edits."
    wrong = refused("[]", output_schema={"type": "object"})
    assert str(wrong) == "The edit does not fit the type of the output: it must be an object."


@pytest.mark.parametrize("stored", ["no JSON", "[" * 100_000])
def test_session_that_somebody_has_overwritten_is_no_server_error(stored: str) -> None:
    assert checked_edit(session(stored), "[1]") == "[1]"


# --- speed


class Row(BaseModel):
    a: int
    b: str
    c: float
    d: bool
    e: str | None
    f: list[str]
    g: datetime.date
    h: Grade


def test_ten_thousand_records_take_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output_schema, "MAX_SECONDS", output_schema.MAX_SECONDS * PATIENCE)
    row = {"a": 1, "b": "x", "c": 1.5, "d": True, "e": None, "f": ["p"], "g": "2026-01-02", "h": "good"}
    schema = TypeAdapter(list[Row]).json_schema()
    start = time.thread_time()
    assert schema_errors([row] * 10_000, schema) == []
    assert time.thread_time() - start < 2.5 * PATIENCE
    wrong = schema_errors([*[row] * 9_999, {**row, "a": "x"}], schema)
    assert wrong == [FieldError((9_999, "a"), "must be a whole number")]  # within the limit of one check

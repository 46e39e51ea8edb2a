"""Agent outputs stored during a pause: restored unchanged, or not stored at all."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import json
import re
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple, Union

import pytest
from pydantic import BaseModel, Field, computed_field
from typing_extensions import TypedDict

from airflow_hitl_review.task.typed_outputs import OutputTypeChangedError, keep, restore


class Cat(BaseModel):
    name: str


class Dog(BaseModel):
    name: str


class Aliased(BaseModel):
    size: float = Field(alias="theSize")

    @computed_field  # type: ignore[prop-decorator]
    @property
    def double(self) -> float:
        return self.size * 2


@dataclasses.dataclass
class Point:
    x: int
    note: str | None = None


class Pair(NamedTuple):
    left: int
    right: str


class Record(TypedDict):
    total: int


class Colour(str, enum.Enum):
    RED = "red"


class Marker:
    """Like pydantic-ai's ToolOutput: the type is an attribute."""

    def __init__(self, output: Any) -> None:
        self.output = output


class Markers:
    """Like pydantic-ai's NativeOutput."""

    def __init__(self, outputs: Any) -> None:
        self.outputs = outputs


class Text:
    """Like pydantic-ai's TextOutput."""

    def __init__(self, output_function: Any) -> None:
        self.output_function = output_function


def make_cat(name: str) -> Cat:
    return Cat(name=name)


class Opaque:
    """A class that pydantic cannot serialize."""


KEPT = [
    ("text", str),
    ("", str),
    ('{"looks": "like JSON"}', str),
    (Cat(name="Tom"), Cat),
    ([Cat(name="Tom"), Cat(name="Ada")], list[Cat]),
    ([], list[Cat]),
    (Dog(name="Rex"), Cat | Dog),
    (Cat(name="Rex"), Cat | Dog),
    (Dog(name="Rex"), Union[Cat, Dog]),  # noqa: UP007 - of another class than Cat | Dog
    (Dog(name="Rex"), [Cat, Dog]),
    (Dog(name="Rex"), Markers([Cat, Dog])),
    (Dog(name="Rex"), [Marker(Cat), Marker(Dog)]),
    (Cat(name="Tom"), make_cat),
    (Cat(name="Tom"), [str, Text(make_cat)]),
    (None, Cat | None),
    (Aliased(theSize=1.5), Aliased),
    (Point(1, "a"), Point),
    (Pair(1, "a"), Pair),
    ({"total": 3}, Record),
    ({"a": [1, 2.5, None]}, dict[str, Any]),
    (Colour.RED, Colour),
    ("red", Literal["red", "blue"]),
    (1, int | str),
    ("1", int | str),
    (True, int | bool),
    (decimal.Decimal("1.10"), decimal.Decimal),
    (datetime.date(2026, 1, 2), datetime.date),
    ((1, "a"), tuple[int, str]),
    ({1, 2}, set[int]),
    (b"bytes", bytes),
    (2**70, int),
    ("\u2028 \x00 \U0001f600", str),
]


def shown(value: object) -> str:
    """The id of a test case: the same in each process."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


@pytest.mark.parametrize(("output", "output_type"), KEPT, ids=shown)
def test_stored_output_is_restored_unchanged(output: Any, output_type: Any) -> None:
    kept = keep(output, output_type)
    assert kept is not None
    back = restore(json.loads(json.dumps(kept)), output_type)
    assert type(back) is type(output)
    assert back == output


@pytest.mark.parametrize(
    ("output", "output_type"),
    [
        (Opaque(), Opaque),
        (Opaque(), Any),
        (float("nan"), float),
        # Nothing in it says which of the two classes it was.
        ([Dog(name="Rex")], list[Cat | Dog]),
        (b"\xff", bytes),
        ("\ud800", str),
        # Not of the declared type: a subclass would not be restored.
        (type("Kitten", (Cat,), {})(name="Tom"), Cat),
    ],
    ids=shown,
)
def test_output_that_would_change_is_not_stored(output: Any, output_type: Any) -> None:
    assert keep(output, output_type) is None


def test_changed_output_type_is_refused() -> None:
    kept = keep(Dog(name="Rex"), [Cat, Dog])
    assert kept is not None
    for changed in (Cat, int, [int]):
        with pytest.raises(OutputTypeChangedError, match="Clear the task"):
            restore(kept, changed)


class Names(BaseModel):
    names: Iterable[str]


def test_read_once_output_is_restored_completely_each_time() -> None:
    kept = keep(Names(names=iter(["Ann", "Bob"])), Names)
    assert kept is not None
    for _ in range(2):
        back = restore(kept, Names)
        assert type(back) is Names
        assert list(back.names) == ["Ann", "Bob"]


def test_read_once_output_that_cannot_be_restored_is_refused() -> None:
    with pytest.raises(TypeError, match="can be read only once"):
        keep(iter([1, 2]), dict)

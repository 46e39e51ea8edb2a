from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest

from hitl_notebook.panel.elements import (
    Act,
    Cancel,
    Confirm,
    DecisionForm,
    DiscardEdit,
    Draft,
    Edit,
    EditedOutput,
    EditForm,
    Element,
    Help,
    InboxList,
    Keyboard,
    Login,
    LoginForm,
    Message,
    Open,
    OpenNext,
    Pick,
    PreviewEdit,
    StartEdit,
)
from hitl_notebook.panel.views import close_all

KINDS = [InboxList, DecisionForm, EditForm, LoginForm, Keyboard]

GOOD: list[tuple[type[Element], dict[str, Any], Message]] = [
    (InboxList, {"do": "open", "id": "1"}, Open("1")),
    (InboxList, {"do": "pick", "ids": ["1", "2"], "on": True}, Pick(("1", "2"), True)),
    (InboxList, {"do": "pick", "ids": [], "on": False}, Pick((), False)),
    (DecisionForm, {"do": "draft", "key": "k", "text": "Shorter"}, Draft("k", "Shorter")),
    (DecisionForm, {"do": "act", "key": "k", "action": "approve", "text": ""}, Act("k", "approve", "")),
    (
        DecisionForm,
        {"do": "confirm", "key": "k", "action": "request_changes", "text": "x"},
        Confirm("k", "request_changes", "x"),
    ),
    (
        DecisionForm,
        {"do": "act", "key": "k", "action": "approve", "text": "", "edit": {"about": "1 a", "text": "x"}},
        Act("k", "approve", "", edit=EditedOutput("1 a", "x")),
    ),
    (DecisionForm, {"do": "cancel", "key": "k"}, Cancel("k")),
    (EditForm, {"do": "startedit", "key": "k"}, StartEdit("k")),
    (EditForm, {"do": "startedit", "key": "k", "again": True}, StartEdit("k", again=True)),
    (
        EditForm,
        {"do": "edit", "key": "k", "edit": {"about": "1 a", "text": None, "problem": "It is too long."}},
        Edit("k", EditedOutput("1 a", None, "It is too long.")),
    ),
    (
        EditForm,
        {"do": "previewedit", "key": "k", "about": "1 a", "text": "x", "id": "p1"},
        PreviewEdit("k", "1 a", "x", "p1"),
    ),
    (EditForm, {"do": "discardedit", "key": "k", "about": "1 a"}, DiscardEdit("k", "1 a")),
    (DecisionForm, {"do": "opennext", "on": False}, OpenNext(False)),
    (
        LoginForm,
        {"do": "login", "url": "u", "username": "ada", "password": "p", "token": ""},
        Login("u", "ada", "p", ""),
    ),
    (Keyboard, {"do": "help", "shown": True}, Help(True)),
]

NOT_MESSAGES: list[Any] = [None, "open", [], {}, {"do": "x"}, {"do": ["open"]}]
BAD: list[tuple[type[Element], Any]] = [
    *((kind, content) for kind in KINDS for content in NOT_MESSAGES),
    (InboxList, {"do": "help", "shown": True}),
    (InboxList, {"do": "open"}),
    (InboxList, {"do": "open", "id": 1}),
    (InboxList, {"do": "pick", "ids": "r1", "on": True}),
    (EditForm, {"do": "edit", "key": "k", "edit": {"about": "1 a", "text": "x" * 1_000_001}}),
    (EditForm, {"do": "edit", "key": "k", "edit": "x"}),
    (EditForm, {"do": "draft", "key": "k", "text": "x"}),
    (InboxList, {"do": "pick", "ids": ["r1", 2], "on": True}),
    (InboxList, {"do": "pick", "ids": ["r1"], "on": 1}),
    (DecisionForm, {"do": "draft", "key": "k", "text": None}),
    (DecisionForm, {"do": "opennext", "on": 1}),
    (DecisionForm, {"do": "draft", "key": "k", "text": "x" * 1_000_001}),
    (DecisionForm, {"do": "act", "key": "k", "action": "delete", "text": ""}),
    (DecisionForm, {"do": "act", "key": "k", "action": ["approve"], "text": ""}),
    (DecisionForm, {"do": "confirm", "key": "k", "action": "approve"}),
    (LoginForm, {"do": "login", "url": "u", "username": "ada", "password": "p"}),
    (Keyboard, {"do": "help", "shown": "yes"}),
]


@pytest.fixture
def made() -> Iterator[list[Element]]:
    elements: list[Element] = []
    yield elements
    for element in elements:
        close_all(element)


def make(made: list[Element], kind: type[Element]) -> tuple[Element, list[Message], list[Any]]:
    """An element, the messages it passes on, and its answers to the browser."""
    element, told, sent = kind(), list[Message](), list[Any]()
    made.append(element)
    element.on_message(told.append)
    element.send = lambda content, buffers=None: sent.append(content)
    return element, told, sent


@pytest.mark.parametrize(("kind", "content", "message"), GOOD)
def test_valid_messages_are_handled_and_answered(
    made: list[Element], kind: type[Element], content: dict[str, Any], message: Message
) -> None:
    element, told, sent = make(made, kind)
    element._handle_custom_msg(content, [])
    element._handle_custom_msg({**content, "ref": "view-1"}, [])
    assert told == [message, message]
    assert sent == [{"done": "view-1"}]


@pytest.mark.parametrize(("kind", "content"), BAD)
def test_invalid_messages_are_ignored(
    made: list[Element], caplog: pytest.LogCaptureFixture, kind: type[Element], content: Any
) -> None:
    element, told, _ = make(made, kind)
    element._handle_custom_msg(content, [])
    assert told == []
    assert [(r.levelno, r.getMessage()) for r in caplog.records] == [
        (logging.WARNING, f"{kind.__name__}: ignored an unknown message")
    ]


def test_message_is_answered_even_if_handling_fails(made: list[Element]) -> None:
    element, _, sent = make(made, Keyboard)

    def fail(message: Message) -> None:
        raise ValueError

    element.on_message(fail)
    with pytest.raises(ValueError, match=r"^$"):
        element._receive(element, {"do": "help", "shown": True, "ref": "view-1"}, [])
    assert sent == [{"done": "view-1"}]


def test_secrets_are_not_exposed(made: list[Element], caplog: pytest.LogCaptureFixture) -> None:
    element, told, _ = make(made, LoginForm)
    good = {"do": "login", "url": "u", "username": "ada", "password": "word-1", "token": "word-2"}
    element._handle_custom_msg(good, [])
    element._handle_custom_msg({**good, "url": None}, [])
    seen = f"{told} {caplog.text} {element.get_state()}"
    assert "ada" in seen
    assert "word-" not in seen


@pytest.mark.parametrize("kind", KINDS)
def test_element_sends_its_module_and_closes(kind: type[Element]) -> None:
    element = kind()
    source = element.get_state()["_esm"]
    modules = json.loads(source.partition("const sources = ")[2].partition(";\nconst urls")[0])
    assert "export default { render };" in list(modules.values())[-1]
    # Previews are HTML that ``hitl_rendering`` made, as the outputs are.
    assert {name for name, text in modules.items() if "innerHTML" in text} <= {"edit_preview.js"}
    known: set[str] = set()
    for name, text in modules.items():  # each comes after what it imports
        assert set(re.findall(r'^import [^"]* from "\./([\w.]+)";$', text, re.MULTILINE)) <= known
        known.add(name)
    close_all(element)


def test_each_form_has_its_own_instance_id(made: list[Element]) -> None:
    first, second = make(made, DecisionForm)[0], make(made, DecisionForm)[0]
    assert first.get_state()["instance"] != second.get_state()["instance"] != ""

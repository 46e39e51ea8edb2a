from __future__ import annotations

from typing import Any

import pytest

from hitl_notebook import ConflictError, ConnectionFailedError, Review, ReviewKey, User
from hitl_notebook.errors import FieldError, InvalidEditError
from hitl_notebook.panel.actions import Action
from hitl_notebook.panel.review.edit import about
from hitl_notebook.panel.review.model import ReviewModel
from tests.notebook.server import review, turn
from tests.notebook.times import stamp

A, B = ReviewKey("a", "r", "t"), ReviewKey("b", "r", "t")
ADA, BOB = {"id": "1", "name": "Ada"}, {"id": "2", "name": "Bob"}


def editable(key: ReviewKey = A, **changes: Any) -> Review:
    return review(key, **{"allow_modifications": True, **changes})


def opened(**changes: Any) -> ReviewModel:
    model = ReviewModel()
    model.user_id = "1"
    model.select(A)
    model.apply_review(editable(**changes))
    return model


def edited(text: str = "Second draft", **changes: Any) -> ReviewModel:
    """A model whose reviewer has edited the open output."""
    model = opened(**changes)
    model.edits.start()
    write(model, text)
    return model


def write(model: ReviewModel, text: str | None, problem: str = "") -> None:
    assert model.edits.edit is not None
    model.edits.type(A, model.edits.edit.about, text, problem)


def text_of(model: ReviewModel) -> str | None:
    return model.edits.edit.text if model.edits.edit is not None else None


def notice(model: ReviewModel) -> str:
    assert model.notice is not None
    return model.notice.text


def test_edit_begins_with_the_output_and_changes_nothing() -> None:
    model = opened()
    model.edits.start()
    assert text_of(model) == "# First draft"
    assert model.edits.to_send is None
    assert model.edits.unsent == frozenset()
    model.act(Action.APPROVE)
    assert model.confirming is not None
    assert model.confirming.text == "Approving output 1"
    model.confirm()
    assert model.sending is not None
    assert model.sending.edited is None
    model.decided(editable(status="approved", decided_by=ADA, updated_at=stamp(1)))
    assert model.edits.edit is None


@pytest.mark.parametrize(
    "changes",
    [
        {"allow_modifications": False},
        {"allow_modifications": False, "modifications_refused": "The task does not allow it."},
        {"status": "approved", "decided_by": BOB},
        {"task_completed": True},
    ],
)
def test_output_that_cannot_be_edited(changes: dict[str, Any]) -> None:
    model = opened(**changes)
    model.edits.start()
    assert model.edits.edit is None


@pytest.mark.parametrize(
    ("action", "status", "held"),
    [
        (Action.APPROVE, "approved", "Approving output 1 as you edited it"),
        (Action.REQUEST_CHANGES, "changes_requested", "Requesting changes to output 1 as you edited it"),
    ],
)
def test_decision_is_about_the_edit_at_the_click(action: Action, status: str, held: str) -> None:
    model = edited()
    model.draft = "More" if action is Action.REQUEST_CHANGES else ""
    model.act(action)
    assert model.confirming is not None
    assert model.confirming.text == held
    write(model, "typed after the click")
    model.confirm()
    assert model.sending is not None
    assert model.sending.edited == "Second draft"
    assert model.sending.review.output_sha256 == editable().output_sha256
    after = editable(status=status, decided_by=ADA, updated_at=stamp(1), edited=True)
    model.decided(after)
    assert "as you edited it" in notice(model)
    assert text_of(model) == "typed after the click"  # it was not sent, so it is not lost
    assert model.edits.stale == "What you typed was not sent: your edit of output 1."


def test_recorded_edit_is_forgotten() -> None:
    model = edited()
    version = model.edits.version
    model.act(Action.APPROVE)
    model.confirm()
    model.decided(editable(status="approved", decided_by=ADA, updated_at=stamp(1), edited=True))
    assert (model.edits.edit, model.edits.unsent) == (None, frozenset())
    assert model.edits.version > version  # so that the browser forgets it, too


def test_undo_keeps_the_edit() -> None:
    model = edited()
    model.act(Action.APPROVE)
    model.cancel()
    assert (model.sending, text_of(model), model.edits.to_send) == (None, "Second draft", "Second draft")


def test_rejecting_says_that_the_edit_is_dropped() -> None:
    model = edited()
    write(model, "{", "It is no JSON")
    model.act(Action.REJECT)
    assert model.confirming is not None
    assert model.confirming.text == "Rejecting output 1 without a reason; your edit is dropped"
    model.confirm()
    model.decided(editable(status="rejected", decided_by=ADA, updated_at=stamp(1)))
    assert model.edits.edit is None


def test_problem_of_the_editor_keeps_the_edit_from_being_sent() -> None:
    model = edited()
    write(model, "{", "A comma is missing in line 2.")
    for action in (Action.APPROVE, Action.REQUEST_CHANGES):
        model.draft = "More"
        model.act(action)
        assert (model.confirming, model.sending) == (None, None)
        assert notice(model) == "The edit cannot be sent yet: A comma is missing in line 2."
    assert text_of(model) == "{"


def test_text_too_long_for_a_message_keeps_the_one_before() -> None:
    model = edited()
    write(model, None, "It has more than 1,000,000 characters.")
    model.act(Action.APPROVE)
    assert "1,000,000" in notice(model)
    assert text_of(model) == "Second draft"


def test_refused_edit_has_its_errors_until_it_is_changed() -> None:
    model = edited()
    model.act(Action.APPROVE)
    model.confirm()
    wrong = FieldError(("regions", 0, "revenue"), "Too low")
    version = model.edits.version
    model.decision_failed(InvalidEditError("The edit is not valid.", errors=(wrong,)))
    assert model.edits.edit is not None
    assert model.edits.edit.errors == (wrong,)
    assert (text_of(model), model.edits.version) == ("Second draft", version)
    assert "was not taken. The edit is not valid." in notice(model)
    write(model, "Third draft")
    assert not model.edits.edit.errors


@pytest.mark.parametrize(
    "error",
    [
        ConnectionFailedError("No answer."),
        ConflictError(
            "Output 2 is current.",
            review=editable(iteration=2, current_output="Newer", updated_at=stamp(1)),
            decided_by=None,
        ),
        ConflictError(
            "Already approved by Bob.",
            review=editable(status="approved", decided_by=BOB, updated_at=stamp(1)),
            decided_by=User("2", "Bob"),
        ),
    ],
)
def test_failed_decision_keeps_the_edit(error: Exception) -> None:
    model = edited()
    model.act(Action.APPROVE)
    model.confirm()
    model.decision_failed(error)  # type: ignore[arg-type]
    assert text_of(model) == "Second draft"
    model.select(B)
    assert model.edits.unsent == {A}
    model.select(A)
    assert text_of(model) == "Second draft"


def test_edit_of_an_older_output_is_neither_sent_nor_dropped() -> None:
    model = edited()
    model.apply_review(editable(iteration=2, current_output="Newer", updated_at=stamp(1)))
    assert model.edits.stale == "This is your edit of output 1, and output 2 is here now. It was not sent."
    assert model.edits.to_send is None
    for action in (Action.APPROVE, Action.REQUEST_CHANGES):
        model.draft = "More"
        model.act(action)
        assert (model.confirming, model.sending) == (None, None)
        assert "you have an edit of output 1" in notice(model)
    model.edits.start()
    assert (text_of(model), model.edits.stale) == ("Newer", "")
    model.edits.type(A, about(editable()), "Late message of the older one", "")
    assert text_of(model) == "Newer"
    model.act(Action.APPROVE)
    assert model.confirming is not None


def test_rejecting_another_output_keeps_the_edit() -> None:
    model = edited()
    newer: dict[str, Any] = {"iteration": 2, "current_output": "Newer"}
    model.apply_review(editable(**newer, updated_at=stamp(1)))
    model.act(Action.REJECT)
    assert model.confirming is not None
    assert model.confirming.text == "Rejecting output 2 without a reason"
    model.confirm()
    model.decided(editable(**newer, status="rejected", decided_by=ADA, updated_at=stamp(2)))
    assert text_of(model) == "Second draft"
    assert model.edits.stale == "What you typed was not sent: your edit of output 1."


def test_output_of_a_new_try_is_another_one() -> None:
    model = edited()
    model.apply_review(editable(current_output="Other", created_at=stamp(5), updated_at=stamp(5)))
    assert (
        model.edits.stale
        == "The task was started again, and this is your edit of the earlier output. It was not sent."
    )
    model.act(Action.APPROVE)
    assert "you have an edit of the earlier output" in notice(model)


def test_unchanged_edit_goes_with_its_output() -> None:
    model = opened()
    model.edits.start()
    model.apply_review(editable(iteration=2, current_output="Newer", updated_at=stamp(1)))
    assert model.edits.edit is None


def test_decision_of_another_reviewer_leaves_the_edit_to_copy() -> None:
    model = edited()
    model.apply_review(editable(status="rejected", decided_by=BOB, updated_at=stamp(1)))
    assert model.edits.stale == "What you typed was not sent: your edit of output 1."
    assert text_of(model) == "Second draft"
    model.edits.discard(A, about(editable()))
    assert model.edits.edit is None


def test_edits_are_switched_off_meanwhile() -> None:
    model = edited()
    model.apply_review(
        editable(allow_modifications=False, modifications_refused="Not for this task.", updated_at=stamp(1))
    )
    assert model.edits.stale.endswith("your edit of output 1. Not for this task.")


def test_edit_whose_response_was_lost_has_arrived() -> None:
    model = edited()
    model.act(Action.APPROVE)
    model.confirm()
    model.decision_failed(ConnectionFailedError("No answer."))
    turns = [turn("output", "# First draft", 1), turn("edit", "Second draft", 1, ADA)]
    model.apply_review(
        editable(status="approved", decided_by=ADA, edited=True, conversation=turns, updated_at=stamp(1))
    )
    assert model.edits.edit is None


def test_edit_that_the_task_refused_goes_on() -> None:
    model = edited()
    model.act(Action.APPROVE)
    model.confirm()
    turns = [turn("output", "# First draft", 1), turn("edit", "Second draft", 1, ADA)]
    model.decided(editable(status="approved", decided_by=ADA, edited=True, conversation=turns, updated_at=stamp(1)))
    refusal = "The edit was refused: too short"
    turns.append(turn("error", refusal, 1))
    model.apply_review(editable(edited_output="Second draft", conversation=turns, updated_at=stamp(2)))
    assert notice(model).startswith(f"{refusal}. You can edit it again")
    assert model.edits.resumable
    model.edits.start(again=True)
    assert model.edits.edit is not None
    assert (text_of(model), model.edits.edit.errors) == ("Second draft", (FieldError((), refusal),))
    assert model.edits.to_send == "Second draft"
    model.edits.discard(A, about(model.review))
    model.edits.start()  # the reviewer can as well begin anew
    assert text_of(model) == "# First draft"


def test_edits_are_kept_per_review() -> None:
    model = edited()
    model.select(B)
    assert (model.edits.edit, model.edits.unsent) == (None, {A})
    model.apply_review(editable(B, current_output="Draft of b"))
    model.edits.start()
    model.select(A)
    assert model.edits.unsent == {A}  # nothing was changed in the other
    model.apply_review(editable())
    assert text_of(model) == "Second draft"


def test_edit_that_had_arrived_does_not_come_back_from_the_browser() -> None:
    """The browser keeps it if it was closed before it heard of the decision."""
    turns = [turn("output", "# First draft", 1), turn("edit", "Second draft", 1, ADA)]
    model = opened(status="approved", decided_by=ADA, edited=True, conversation=turns)
    version = model.edits.version
    model.edits.type(A, about(editable()), "Second draft", "")
    assert model.edits.edit is None
    assert model.edits.version > version  # so that the browser forgets it


def test_edit_comes_back_from_the_browser() -> None:
    """Before its review was loaded, as after a restart of the kernel."""
    model = ReviewModel()
    model.select(A)
    model.edits.type(A, about(editable()), "Typed in another kernel", "")
    model.apply_review(editable())
    assert model.edits.to_send == "Typed in another kernel"
    model.select(B)
    model.edits.type(A, "7 abc", "Of an older output", "")
    model.select(A)
    model.apply_review(editable())
    assert text_of(model) == "Typed in another kernel"


def test_question_is_answered_with_the_edit_as_it_is_by_then() -> None:
    model = edited(max_iterations=1)
    model.draft = "More"
    model.act(Action.REQUEST_CHANGES)
    write(model, "Third draft")
    model.confirm()
    assert model.sending is not None
    assert model.sending.edited == "Third draft"

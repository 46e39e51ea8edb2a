"""Who decided or said something, in words; for a service, also for whom."""

from __future__ import annotations

from collections.abc import Callable

from hitl_rendering.conversation import Person, Turn

_BY_NOBODY = {
    "timeout": "because nobody decided in time",
    "policy": "the DAG's rule says that nobody need look",
}
"""Why a review ended that nobody decided, by the decision's channel."""


def person_words(name: str, acting_for: str | None = None, show: Callable[[str], str] = str) -> str:
    """A person, or the person for whom a service acts: ``Ann``, or ``Ann, by slack-bridge``.

    Args:
        name: the user's name.
        acting_for: the name of the person for whom the user acts, if for somebody else.
        show: converts a name, for example to HTML.
    """
    return show(name) if acting_for is None else f"{show(acting_for)}, by {show(name)}"


def decider_words(
    decided_by: Person | None,
    acting_for: Person | None = None,
    channel: str | None = None,
    show: Callable[[str], str] = str,
) -> str:
    """Who decided, or why a review ended without anybody; to follow the words of ``state_of``.

    Args:
        decided_by: the user who decided.
        acting_for: for whom they decided, if for somebody else.
        channel: where the decision was made, if that is known.
        show: converts a name, for example to HTML.

    Returns:
        ``by Ann``, or ``for Ann, by slack-bridge``; empty if it is not decided.
    """
    if decided_by is None:
        return _BY_NOBODY.get(channel or "", "")
    who = person_words(decided_by.name, acting_for.name if acting_for else None, show)
    return f"for {who}" if acting_for else f"by {who}"


def turn_words(turn: Turn, show: Callable[[str], str] = str) -> str:
    """Who said a turn, and about what, such as ``Ann on output 1`` or ``Ann edited output 1``.

    Args:
        turn: the turn; not an output.
        show: converts a name, for example to HTML.
    """
    if turn.kind == "error":
        return "Task"
    who = turn_person(turn, show) + ("," if turn.acting_for else "")
    if turn.is_request:
        return f"{who} {'answered' if turn.kind == 'edit' else 'on'} request {turn.iteration}"
    return f"{who} {'edited' if turn.kind == 'edit' else 'on'} output {turn.iteration}"


def turn_person(turn: Turn, show: Callable[[str], str] = str) -> str:
    """Who said a turn; ``Reviewer`` if that is not known."""
    if turn.user is None:
        return show(turn.acting_for.name) if turn.acting_for else "Reviewer"
    return person_words(turn.user.name, turn.acting_for.name if turn.acting_for else None, show)

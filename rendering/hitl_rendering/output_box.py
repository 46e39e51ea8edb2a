"""An output and its changes in their boxes, with the tools around them; alike in the panel and on the page.

The tools stay hidden until ``front_end/reading.js`` serves them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hitl_rendering.changes import WAYS
from hitl_rendering.conversation import Review
from hitl_rendering.deciders import turn_person
from hitl_rendering.display import choices, display_of, in_words
from hitl_rendering.plain_text import inline, isolated
from hitl_rendering.rounds import Round, rounds_of


def output_box(one: Round[Any], label: str, task: str) -> str:
    """Return a round's output.

    Args:
        one: the round.
        label: heading of the output, such as ``"Current output"``.
        task: identifies the task for whose outputs the reader's choice is remembered.
    """
    usual = "Calls" if one.is_request else in_words(display_of(one.content, one.output_format, one.author_display))
    options = {"": f"{usual} (usual)", **{kind: in_words(kind) for kind in choices(one.content)}}
    source = (
        f'<details class="hitl-source" data-fold="{one.fold("source")}"><summary>As it was written</summary>'
        f"{one.source_html}</details>"
        if one.source_html
        else ""
    )
    return (
        f'<div class="hitl-shown" data-display="{inline(one.display)}"><div class="hitl-tools" hidden>'
        f"{_select('Shown as', 'display_as', options, one.chosen_display or '', task)}"
        '<button type="button" class="hitl-tool hitl-find" title="Search in this output (s)">Search</button></div>'
        f'<div class="hitl-output" tabindex="0" role="region" aria-label="{inline(label)}">{one.html}</div>'
        f"{source}{one.trace_html}</div>"
    )


def output_label(one: Round[Any], *, is_pending: bool) -> str:
    """Heading of the current output."""
    if is_pending:
        return "The agent asks" if one.is_request else "Current output"
    return one.noun.capitalize()


def change_box(one: Round[Any], *, is_open: bool) -> str:
    """Return what changed since the round before, as a fold; one line if nothing did."""
    label, heading = _change_headings(one, is_open=is_open)
    words, shown = one.change
    if not shown:
        return f'<div class="hitl-meta">{heading}: {words}</div>'
    options = {"": f"{WAYS[one.change_ways[0]]} (usual)", **{way: WAYS[way] for way in one.change_ways}}
    tools = _select("Changes as", "changes", options, one.chosen_way or "", "") if is_open else ""
    return (
        f'<details class="hitl-what-changed" data-fold="{one.fold("changes")}"{" open" if is_open else ""}>'
        f"<summary>{heading}: {words}</summary>"
        f'<div class="hitl-shown"><div class="hitl-tools" hidden>{tools}</div>'
        f"{_diff(one, label)}</div></details>"
    )


def edit_box(one: Round[Any], *, is_open: bool) -> str:
    """Return an edit: what changed by hand, and, folded, the edited text."""
    change = change_box(one, is_open=is_open) if one.before is not None else ""
    return change + output_fold(one, f"{one.noun.capitalize()} as {'answered' if one.is_request else 'edited'}")


def output_fold(one: Round[Any], label: str) -> str:
    """Return a round's output as a fold, without tools; ``label`` is its heading."""
    return (
        f'<details class="hitl-source" data-fold="{one.fold("output")}"><summary>{inline(label)}</summary>'
        f'<div class="hitl-output" tabindex="0" role="region" aria-label="{inline(label)}">{one.folded_html}</div>'
        f"{one.trace_html}</details>"
    )


def _change_headings(one: Round[Any], *, is_open: bool) -> tuple[str, str]:
    """Heading of a round's changes, as plain text without names and as HTML."""
    if one.edited_by is not None:
        return f"Changes by hand to {one.noun}", "Changed by hand"
    assert one.before is not None
    label = heading = f"output {one.before.iteration}"
    if (turn := one.before.edited_by) is not None:
        label = heading = f"the edit of {label}"
        if turn.user is not None or turn.acting_for is not None:
            heading += f" by {turn_person(turn, isolated)}"
        if turn.acting_for is not None and not is_open:
            heading += ","
    words = "Changes since {}" if is_open else f"Changes from {{}} to output {one.iteration}"
    return words.format(label), words.format(heading)


def _diff(one: Round[Any], label: str) -> str:
    """Return what changed since the round before; some ways look like the output itself."""
    look = one.change_way.startswith("shown") or one.change_way == "paths"
    return (
        f'<div class="hitl-diff{" is-look" if look else ""}" tabindex="0" role="region" '
        f'aria-label="{inline(label)}">{one.change[1]}</div>'
    )


def _select(label: str, choice: str, options: dict[str, str], chosen: str, task: str) -> str:
    items = "".join(
        f'<option value="{inline(value)}"{" selected" if value == chosen else ""}>{inline(words)}</option>'
        for value, words in options.items()
    )
    return (
        f'<label class="hitl-choose">{label} <select data-choice="{choice}" data-task="{inline(task)}" '
        f'data-chosen="{inline(chosen)}">{items}</select></label>'
    )


def preview_of(review: Review[Any], edited_output: str, display_as: str = "") -> tuple[str, str]:
    """Return an edit that is not sent yet as it will look, and what changed by hand; both as HTML.

    Args:
        review: the review.
        edited_output: its current output as the reviewer edited it so far.
        display_as: how the reader wants to see the output; empty for the usual way.
    """
    shown = rounds_of(review, display_as=display_as).current
    edit = replace(shown, content=edited_output, before=shown, said=())
    words, changes = edit.change
    return (
        f'<div class="hitl-output" tabindex="0" role="region" aria-label="Your edit">{edit.html}</div>',
        f'<div class="hitl-meta">{words}</div>{_diff(edit, "Your changes") if changes else ""}',
    )

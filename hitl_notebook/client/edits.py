"""An output as the reviewer edited it, or their answers to an agent, as the server takes them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from hitl_notebook.errors import InvalidEditError
from hitl_notebook.records import Review, ReviewKey, ReviewSummary

NOT_SUPPORTED = "The output cannot be edited: this server, or the task's worker, does not support edits."


def edited_text(
    given: ReviewKey | ReviewSummary, output: Any, find: Callable[[ReviewKey | ReviewSummary], Review]
) -> str | None:
    """Return the text of an edited output; None if there is none.

    Args:
        given: the review; if it is no whole record, that is fetched, as it says whether its output can be edited.
        output: text; or for an output that is JSON its values, a pydantic model, or a string with the JSON.
        find: fetches a review.

    Raises:
        InvalidEditError: it cannot be edited, or ``output`` is neither text nor JSON.
    """
    if output is None:
        return None
    review = given if isinstance(given, Review) else find(given)
    if not review.allow_modifications:
        # A server that does not know edits would ignore this one, and approve the output as it is.
        raise InvalidEditError(review.modifications_refused or NOT_SUPPORTED)
    if isinstance(output, str):
        return output
    if review.output_format != "json":
        raise InvalidEditError(f"This output is text: give a string, not {type(output).__name__}.")
    dump = getattr(output, "model_dump_json", None)  # of a pydantic model, which need not be installed here
    if dump is not None:
        return str(dump(by_alias=True))  # as the output is shown, and its schema written
    try:
        return json.dumps(output, ensure_ascii=False, allow_nan=False, indent=2)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidEditError(f"The output cannot be written as JSON: {error}.") from error


def call_answers(
    given: ReviewKey | ReviewSummary,
    calls: Mapping[str, Any],
    find: Callable[[ReviewKey | ReviewSummary], Review],
) -> dict[str, dict[str, Any]]:
    """Return a reviewer's answers to what an agent asks, as the server takes them.

    Args:
        given: the review; if it is no whole record, that is fetched.
        calls: as for ``Client.approve``.
        find: fetches a review.

    Raises:
        InvalidEditError: the agent asks for no calls, or an answer is none.
    """
    review = given if isinstance(given, Review) else find(given)
    if review.request is None:
        # A server that does not know of calls would ignore these answers, and approve the output as it is.
        raise InvalidEditError("The current output asks for no calls, so there are none to answer.")
    kinds = {call.tool_call_id: call.kind for call in review.request.calls}
    return {id_: _answer(id_, said, is_question=kinds.get(id_) == "question") for id_, said in calls.items()}


def _answer(id_: str, said: Any, *, is_question: bool) -> dict[str, Any]:
    if isinstance(said, Mapping):
        return dict(said)
    if isinstance(said, bool):
        return {"approved": said}
    if isinstance(said, str):
        return {"answer": said} if is_question else {"approved": False, "reason": said}
    raise InvalidEditError(
        f"The answer to call {id_} must be True, False, a text, or a dictionary such as {{'args': {{...}}}}, "
        f"not {said!r}."
    )

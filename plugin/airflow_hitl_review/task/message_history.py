"""What regenerating needs after a pause, in the form in which XCom holds it. No Airflow imports.

A history of pydantic-ai's messages is converted with its own adapter; others must be JSON values already. Operators
that were written for the AI provider's mixin have such messages; its polling kept them in memory.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, Literal, Protocol

from airflow_hitl_review.task.json_values import stored_form

log = logging.getLogger(__name__)

_MESSAGES = "pydantic_ai_messages"
"""The only key of the object in which a list of pydantic-ai's messages is stored."""


class Regenerating(Protocol):
    """What is used of ``HITLReviewMixin``, which describes it."""

    hitl_wait: Literal["park", "poll"]

    @property
    def reviewers(self) -> Any:
        """Who may decide."""

    def dump_message_history(self, message_history: Any) -> Any:
        """Convert a history to JSON values."""


def stored_history(operator: Regenerating, message_history: Any) -> Any:
    """The history in its stored form; None when polling, which does not need it.

    If pydantic-ai's messages cannot be stored, the task polls, as with the AI provider's mixin.

    Raises:
        TypeError: it cannot be stored; the message says where the first such value is.
    """
    if operator.hitl_wait != "park":
        return None
    try:
        return stored_form(operator.dump_message_history(message_history), "The message history")
    except (TypeError, ValueError) as error:
        if are_messages(message_history) and not operator.reviewers:
            log.warning("%s The review goes on with a worker slot (hitl_wait='poll').", error)
            operator.hitl_wait = "poll"
            return None
        raise TypeError(f"{error} Or set hitl_wait='poll', which keeps it in memory.") from error


def are_messages(history: Any) -> bool:
    """Whether it is a list of pydantic-ai's messages."""
    # If there are such messages, their module has been imported.
    messages = sys.modules.get("pydantic_ai.messages")
    if messages is None or not isinstance(history, list | tuple) or not history:
        return False
    return all(isinstance(one, messages.ModelRequest | messages.ModelResponse) for one in history)


def dump_messages(history: Any) -> Any:
    """Convert a list of pydantic-ai's messages to JSON values; return anything else unchanged."""
    if not are_messages(history):
        return history
    from pydantic_ai.messages import ModelMessagesTypeAdapter

    return {_MESSAGES: ModelMessagesTypeAdapter.dump_python(list(history), mode="json")}


def load_messages(stored: Any) -> Any:
    """Restore the history that ``dump_messages`` was given."""
    if not isinstance(stored, dict) or set(stored) != {_MESSAGES}:
        return stored
    from pydantic_ai.messages import ModelMessagesTypeAdapter

    return ModelMessagesTypeAdapter.validate_python(stored[_MESSAGES])

"""Converts pydantic-ai's messages to JSON values with its own adapter; other histories must be JSON values already.

Operators that were written for the AI provider's mixin have such messages; its polling kept them in memory.
"""

from __future__ import annotations

import sys
from typing import Any

_MESSAGES = "pydantic_ai_messages"
"""The only key of the object in which a list of messages is stored."""


def dump(history: Any) -> Any:
    """Convert a list of pydantic-ai's messages to JSON values; return anything else unchanged."""
    if not are_messages(history):
        return history
    from pydantic_ai.messages import ModelMessagesTypeAdapter

    return {_MESSAGES: ModelMessagesTypeAdapter.dump_python(list(history), mode="json")}


def load(stored: Any) -> Any:
    """Restore the history that ``dump`` was given."""
    if not isinstance(stored, dict) or set(stored) != {_MESSAGES}:
        return stored
    from pydantic_ai.messages import ModelMessagesTypeAdapter

    return ModelMessagesTypeAdapter.validate_python(stored[_MESSAGES])


def are_messages(history: Any) -> bool:
    """Whether it is a list of pydantic-ai's messages."""
    # If there are such messages, their module has been imported.
    messages = sys.modules.get("pydantic_ai.messages")
    if messages is None or not isinstance(history, list | tuple) or not history:
        return False
    return all(isinstance(one, messages.ModelRequest | messages.ModelResponse) for one in history)

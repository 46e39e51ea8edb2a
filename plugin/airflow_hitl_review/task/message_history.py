"""A history as JSON values: any that is made of them, and pydantic-ai's messages, by its own adapter.

Operators that were written for the AI provider's mixin have such messages, and polling kept them in memory.
"""

from __future__ import annotations

import sys
from typing import Any

_MESSAGES = "pydantic_ai_messages"
"""The one key of what is kept of a list of messages."""


def dump(history: Any) -> Any:
    """A list of pydantic-ai's messages as JSON values; all else as it is."""
    if not are_messages(history):
        return history
    from pydantic_ai.messages import ModelMessagesTypeAdapter

    return {_MESSAGES: ModelMessagesTypeAdapter.dump_python(list(history), mode="json")}


def load(stored: Any) -> Any:
    """The history again."""
    if not isinstance(stored, dict) or set(stored) != {_MESSAGES}:
        return stored
    from pydantic_ai.messages import ModelMessagesTypeAdapter

    return ModelMessagesTypeAdapter.validate_python(stored[_MESSAGES])


def are_messages(history: Any) -> bool:
    """Whether it is a list of pydantic-ai's messages."""
    # Where there are such messages, somebody has imported their module.
    messages = sys.modules.get("pydantic_ai.messages")
    if messages is None or not isinstance(history, list | tuple) or not history:
        return False
    return all(isinstance(one, messages.ModelRequest | messages.ModelResponse) for one in history)

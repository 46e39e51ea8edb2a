"""Review what a LangChain chat model writes.

Needs ``pip install langchain-core``. The model is LangChain's own for tests; put yours in the place of
``chat_model``.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, task
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

MESSAGES = {"assistant": AIMessage, "human": HumanMessage}


def chat_model(rounds: int) -> BaseChatModel:
    """The model; a real one needs no ``rounds``, it reads them in the conversation."""
    responses = ["Dear all, the office is closed.", "The office is closed on Friday."]
    return FakeListChatModel(responses=responses, i=min(rounds, len(responses) - 1))


@dag(schedule=None, catchup=False, tags=["example", "hitl-review"])
def example_hitl_review_langchain() -> None:
    """A letter, reviewed. The conversation with the model goes on where it was, however long the task paused."""

    @task.hitl_review(prompt="A letter to all")
    def write(subject: str, feedback: str | None = None, history: list[dict[str, Any]] | None = None) -> str:
        """Ask the model, with all that was said before."""
        conversation: list[BaseMessage] = [SystemMessage("You write letters."), HumanMessage(subject)]
        conversation += [MESSAGES[turn["role"]](turn["content"]) for turn in history or []]
        if feedback:
            conversation.append(HumanMessage(feedback))
        answer = chat_model(rounds=len(history or []) // 2 + bool(feedback)).invoke(conversation)
        return str(answer.content)

    write("Tell everybody that we are closed on Friday.")


example = example_hitl_review_langchain()

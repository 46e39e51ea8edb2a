"""``TraceHandler``: what a LangChain chain or agent did, for the reviewer of its output."""

from __future__ import annotations

import threading
import time
from typing import Any
from uuid import UUID

try:
    from langchain_core.callbacks import BaseCallbackHandler
    from langchain_core.outputs import LLMResult
except ModuleNotFoundError as error:
    if not (error.name or "").startswith("langchain_core"):
        raise
    raise ImportError(
        "airflow_hitl_review.langchain needs LangChain. Install it with: pip install langchain-core"
    ) from error

from airflow_hitl_review.core.trace import Trace
from airflow_hitl_review.task.current_task import current_ti
from airflow_hitl_review.task.progress import reporter_of
from airflow_hitl_review.task.tracing import report, trace


class TraceHandler(BaseCallbackHandler):  # type: ignore[misc]
    """Reports calls of tools and used tokens to the reviewer of the running task's next output, and streamed text::

        chain.invoke(question, config={"callbacks": [TraceHandler()]})

    Outside a task, it does nothing. Thread-safe, as LangChain calls handlers from several threads.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._running: dict[UUID, tuple[str, Any, float]] = {}

    def on_tool_start(
        self,
        serialized: dict[str, Any] | None,
        input_str: str,
        *,
        run_id: UUID,
        inputs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """A tool starts."""
        name = kwargs.get("name") or (serialized or {}).get("name") or "tool"
        with self._lock:
            self._running[run_id] = (str(name), inputs if inputs is not None else input_str, time.monotonic())

    def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """A tool has ended."""
        content = getattr(output, "content", output)
        self._ended(run_id, content, is_error=getattr(output, "status", "success") == "error")

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """A tool has failed."""
        self._ended(run_id, f"{type(error).__name__}: {error}", is_error=True)

    def on_llm_start(self, serialized: Any, prompts: Any, **kwargs: Any) -> None:
        """A model begins its answer."""
        if (reporter := reporter_of(current_ti())) is not None:
            reporter.add_text("", anew=True)

    def on_chat_model_start(self, serialized: Any, messages: Any, **kwargs: Any) -> None:
        """A model begins its answer."""
        self.on_llm_start(serialized, messages)

    def on_llm_new_token(self, token: Any, **kwargs: Any) -> None:
        """A model, whose answer is streamed, goes on; its token is a text, or a list of blocks."""
        blocks = token if isinstance(token, list) else [token]
        texts = [block.get("text") if isinstance(block, dict) else block for block in blocks]
        told = "".join(text for text in texts if isinstance(text, str))
        if told and (reporter := reporter_of(current_ti())) is not None:
            reporter.add_text(told)

    def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:
        """A model has answered."""
        used = [
            usage
            for generations in response.generations
            for one in generations
            if (usage := getattr(getattr(one, "message", None), "usage_metadata", None))
        ]
        report(
            Trace(
                requests=1,
                input_tokens=sum(one.get("input_tokens", 0) for one in used) if used else None,
                output_tokens=sum(one.get("output_tokens", 0) for one in used) if used else None,
            )
        )

    def _ended(self, run_id: UUID, result: Any, *, is_error: bool) -> None:
        with self._lock:
            name, args, since = self._running.pop(run_id, ("tool", None, time.monotonic()))
        trace(name, args, result, is_error=is_error, seconds=time.monotonic() - since)

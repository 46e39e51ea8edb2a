"""An agent whose calls of tools can wait for a reviewer: when, and what the provider's own settings mean here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.ai.operators.agent import _contains_code_mode
from pydantic_ai import DeferredToolRequests, DeferredToolResults
from pydantic_ai.capabilities import PrepareTools
from pydantic_ai.tools import RunContext, ToolDefinition
from pydantic_ai.toolsets import AbstractToolset, ApprovalRequiredToolset, CombinedToolset, FunctionToolset
from pydantic_ai.toolsets.wrapper import WrapperToolset

from airflow_hitl_review.core.schema import OnTimeout
from airflow_hitl_review.task.errors import HITLRegenerationError


class AskingAgent:
    """The provider's operator, with runs that end when a call needs an approval, and go on with the answer.

    Args:
        tool_approval: whether calls that need an approval wait for a reviewer; False leaves that to the provider.
        max_tool_requests: how often the agent may ask in one try, at least 1.
        **kwargs: those of the operator.
    """

    # Of the class, too: an operator that replaces the provider's was not initialized.
    tool_approval: bool = True
    max_tool_requests: int = 50
    _deferred_results: DeferredToolResults | None = None

    def __init__(self, *, tool_approval: bool = True, max_tool_requests: int = 50, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.tool_approval = tool_approval
        self.max_tool_requests = max_tool_requests
        self._take_approval_settings()
        _check_approval(self)

    def _take_approval_settings(self) -> None:
        """Use the provider's settings of a pause for calls as those of a review that has only such pauses."""
        if not self.tool_approval:
            return
        if self.tool_approval_assigned_users and not self.reviewers:
            self.reviewers = [str(user["id"]) for user in self.tool_approval_assigned_users]
        if self.enable_hitl_review:
            return
        self.hitl_timeout = self.hitl_timeout or self.tool_approval_timeout
        if self.on_tool_approval_timeout == "deny":
            self.on_hitl_timeout = "reject"

    @property
    def _asks(self) -> bool:
        """Whether calls that need an approval park the task as a review does."""
        return self.tool_approval and _why_not_asked(self) is None

    @property
    def _is_reviewed(self) -> bool:
        return self.enable_hitl_review or self._asks

    def _supports_tool_approval(self) -> bool:
        """Whether the provider pauses the task by itself."""
        return not self.tool_approval and super()._supports_tool_approval()  # type: ignore[misc]

    def _agent_output_type(self) -> Any:
        if not self._asks:
            return super()._agent_output_type()  # type: ignore[misc]
        declared = self.output_type if isinstance(self.output_type, list | tuple) else [self.output_type]
        return [*(one for one in declared if one is not DeferredToolRequests), DeferredToolRequests]

    def run_agent_sync(self, agent: Any, user_prompt: Any, **run_kwargs: Any) -> Any:
        """Run the agent, or let it go on with what a reviewer answered; the provider calls this."""
        if self._asks:
            self._tools: dict[str, ToolDefinition] = {}
            run_kwargs["capabilities"] = [*run_kwargs.get("capabilities", ()), PrepareTools(self._note_tools)]
        if self._deferred_results is not None:
            # No new prompt: the results of the calls are what the agent waits for.
            user_prompt, run_kwargs["deferred_tool_results"] = None, self._deferred_results
        self._last_result = super().run_agent_sync(agent, user_prompt, **run_kwargs)  # type: ignore[misc]
        return self._last_result

    async def _note_tools(self, _: RunContext[Any], tools: list[ToolDefinition]) -> list[ToolDefinition]:
        self._tools.update({tool.name: tool for tool in tools})
        return tools

    if TYPE_CHECKING:  # defined by the provider
        enable_hitl_review: bool
        hitl_timeout: timedelta | None
        on_hitl_timeout: OnTimeout
        on_tool_approval_timeout: str
        output_type: Any
        reviewers: Sequence[str] | str
        tool_approval_assigned_users: Sequence[Mapping[str, str]]
        tool_approval_timeout: timedelta | None


def _why_not_asked(operator: Any) -> str | None:
    """Why an agent's run cannot wait for a reviewer in the middle; None if it can."""
    if operator.durable:
        return "durable=True counts the steps of a single run"
    if _contains_code_mode(operator._declared_capabilities):
        return "the calls within CodeMode's run_code cannot wait one by one"
    if any(sandbox.attach_to is None for sandbox in operator._sandbox_toolsets()):
        return "a SandboxToolset that makes its own sandbox loses it when the run waits; use attach_to=..."
    return None


def _check_approval(operator: Any) -> None:
    """Check the settings when the DAG is read.

    Raises:
        ValueError: tools need an approval that cannot be asked for, or ``max_tool_requests`` is wrong.
    """
    most = operator.max_tool_requests
    if not isinstance(most, int) or isinstance(most, bool) or most < 1:
        raise ValueError(f"max_tool_requests must be a whole number of at least 1, not {most!r}.")
    why = _why_not_asked(operator)
    if operator.tool_approval and why is not None and any(map(_is_marked, operator._declared_toolsets())):
        raise ValueError(
            f"{type(operator).__name__} {operator.task_id!r} has tools that need an approval, but cannot ask: "
            f"{why}. Leave that out, or mark no tool."
        )


def check_toolsets(before: list[str], now: list[str]) -> None:
    """Check that an agent has the toolsets, and so the connections, with which it asked.

    Raises:
        HITLRegenerationError: it has others.
    """
    if before != now:
        raise HITLRegenerationError(
            f"The agent's toolsets changed while its request waited: they were {before}, and are {now}. The "
            "approved calls would reach something else than the reviewer knew. None was made. Clear the task "
            "to start over."
        )


def _is_marked(toolset: AbstractToolset[Any]) -> bool:
    return any(
        isinstance(one, ApprovalRequiredToolset)
        or (isinstance(one, FunctionToolset) and any(tool.requires_approval for tool in one.tools.values()))
        for one in _inside(toolset)
    )


def _inside(toolset: AbstractToolset[Any]) -> Iterator[AbstractToolset[Any]]:
    yield toolset
    if isinstance(toolset, WrapperToolset):
        yield from _inside(toolset.wrapped)
    elif isinstance(toolset, CombinedToolset):
        for one in toolset.toolsets:
            yield from _inside(one)

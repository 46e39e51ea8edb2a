"""Calls that need an approval, together with the provider's other features; run as ``agent_rounds`` is.

Prints the rows of the table in ``docs/compatibility.md``, each after it was seen.
"""

from __future__ import annotations

import json
from typing import Any

from airflow.providers.common.ai.sandbox.sbx import SbxSandboxBackend
from airflow.providers.common.ai.toolsets.sandbox import SandboxToolset
from pydantic import BaseModel
from pydantic_ai.messages import ModelMessagesTypeAdapter, ModelResponse

from airflow_hitl_review import HITLRegenerationError
from airflow_hitl_review.core.states import Action
from tests.compatibility.agent_rounds import raises
from tests.compatibility.tool_calls import MADE, ONE, Scripted, Task, call, shop

PAID = [("refund", 7, 20.5, "")]


class Sale(BaseModel):
    region: str
    revenue: int


def usage_limits() -> str:
    task = Task(ONE, "Done", usage_limits={"request_limit": 2})
    task.run()
    task.decide(Action.APPROVE)
    assert task.xcoms.session.current_output == "Done: refunded 7"
    task = Task(ONE, "Done", usage_limits={"request_limit": 1})
    task.run()
    with raises(HITLRegenerationError, "UsageLimitExceeded"):
        task.decide(Action.APPROVE)
    return "count on both sides of each pause"


def message_history() -> str:
    with raises(ValueError, "message_history and enable_hitl_review=True"):
        Task("Hello", message_history=[]).run()
    earlier = Task("Hello", enable_hitl_review=False, message_history=[])
    earlier.run()
    before = earlier.xcoms.xcoms["message_history"]
    task = Task("Hello", ONE, "Done", enable_hitl_review=False, message_history=before)
    task.run()
    assert "message_history" not in task.xcoms.xcoms
    task.decide(Action.APPROVE)
    told = ModelMessagesTypeAdapter.validate_json(task.xcoms.xcoms["message_history"])
    assert (MADE, sum(isinstance(one, ModelResponse) for one in told)) == (PAID, 3)
    return "stored with the whole conversation; the provider refuses it with `enable_hitl_review=True`"


def output_type() -> str:
    sale = [call("final_result", "f", region="North", revenue=1)]
    task = Task(ONE, sale, output_type=Sale)
    task.run()
    task.decide(Action.APPROVE)
    assert json.loads(task.xcoms.session.current_output) == {"region": "North", "revenue": 1}
    task.decide(Action.APPROVE)
    assert (task.result if isinstance(task.result, dict) else task.result.model_dump()) == {
        "region": "North",
        "revenue": 1,
    }
    return "the output has it, as without such calls"


def durable() -> str:
    return _refused("durable=True counts", durable=True)


def sandbox() -> str:
    return _refused("a SandboxToolset that makes its own", own=SandboxToolset(SbxSandboxBackend()))


def replaced() -> str:
    """As ``[hitl_review] replace_agent_operator`` does it: the class is another one, and was not initialized."""
    from airflow.providers.common.ai.operators.agent import AgentOperator

    class Replaced(Task):
        def operator(self) -> Any:
            theirs = AgentOperator(task_id="t", prompt="p", llm_conn_id="x", toolsets=[shop()])
            object.__setattr__(theirs, "__class__", Scripted)
            theirs.script = self.script
            return theirs

    task = Replaced(ONE, "Done")
    task.run()
    task.decide(Action.APPROVE)
    assert (MADE, task.result) == (PAID, "Done: refunded 7")
    return "the same, without a change of the DAG"


def _refused(words: str, *, own: Any = None, **given: Any) -> str:
    with raises(ValueError, words):
        toolsets = [shop(), *([own] if own is not None else [])]
        Scripted(task_id="t", prompt="p", llm_conn_id="x", toolsets=toolsets, **given)
    return "refused when the DAG is read: such a run cannot wait in the middle"


ROWS = {
    "`usage_limits`": usage_limits,
    "`message_history`": message_history,
    "`output_type`": output_type,
    "`durable=True`": durable,
    "a `SandboxToolset` with a sandbox of its own": sandbox,
    "`[hitl_review] replace_agent_operator`": replaced,
}

if __name__ == "__main__":
    for name, see in ROWS.items():
        print(f"passed | {name} | {see()} |")  # noqa: T201 - its result

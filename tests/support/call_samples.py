"""What agents ask before they go on, as a worker stores it."""

from __future__ import annotations

import json
from typing import Any

from airflow_hitl_review.core.answer_schema import answer_schema
from airflow_hitl_review.core.tool_calls import ToolCall, ToolRequest, shown_calls

_LINES = {
    "type": "object",
    "properties": {"sku": {"type": "string"}, "count": {"type": "integer", "minimum": 1}},
    "required": ["sku", "count"],
}
REFUND = {
    "type": "object",
    "$defs": {"Line": _LINES, "Reason": {"enum": ["damaged", "late", "other"], "type": "string"}},
    "properties": {
        "order_id": {"type": "integer"},
        "amount": {"type": "number", "exclusiveMinimum": 0},
        "reason": {"$ref": "#/$defs/Reason"},
        "lines": {"type": "array", "items": {"$ref": "#/$defs/Line"}},
        "notify": {"type": "boolean", "default": True},
    },
    "required": ["order_id", "amount", "reason"],
    "additionalProperties": False,
}
MAIL = {
    "type": "object",
    "properties": {"to": {"type": "string"}, "body": {"type": "string"}},
    "required": ["to", "body"],
}
BODY = (
    "Dear Ms Ito,\n\nwe are sorry that the export was empty.\n\n- The cause is found.\n- You get **20.50** back.\n"
)


def refunds(*, fixed: bool = False) -> dict[str, Any]:
    """Two refunds and a mail, as ``seed_pages.make`` takes a review."""
    calls = [
        ToolCall(tool_call_id="call_1", tool_name="refund", description="Pay money back to the customer."),
        ToolCall(tool_call_id="call_2", tool_name="refund", description="Pay money back to the customer."),
        ToolCall(tool_call_id="call_3", tool_name="send_mail", metadata={"list": "customers"}),
    ]
    lines = [{"sku": "A-1", "count": 2}, {"sku": "B-7", "count": 1}]
    args: dict[str, dict[str, Any]] = {
        "call_1": {"order_id": 7, "amount": 20.5, "reason": "damaged", "lines": lines, "notify": True},
        "call_2": {"order_id": 8, "amount": 1000000, "reason": "late", "lines": [], "notify": False},
        "call_3": {"to": "ito@example.org", "body": BODY},
    }
    schemas: dict[str, dict[str, Any]] = {"call_1": REFUND, "call_2": REFUND, "call_3": MAIL}
    return _review(ToolRequest(calls=calls), args, schemas, fixed=fixed)


def question() -> dict[str, Any]:
    """A question, likewise."""
    call = ToolCall(tool_call_id="ask_1", tool_name="ask_user", kind="question", description="Ask a person.")
    text = "The order has two addresses. Which one is right: *Kyoto* or *Osaka*?"
    request = ToolRequest(kind="question", calls=[call])
    return _review(request, {"ask_1": {"question": text}}, {}, fixed=False)


def _review(
    request: ToolRequest, args: dict[str, dict[str, Any]], schemas: dict[str, dict[str, Any]], *, fixed: bool
) -> dict[str, Any]:
    return {
        "outputs": [json.dumps(shown_calls(request, args), indent=2, ensure_ascii=False)],
        "format": "json",
        "output_schema": answer_schema(request, args, schemas, fixed=fixed),
        "request": request.model_dump(mode="json"),
        "prompt": "Answer the open tickets; refund what is due.",
    }

"""Reviews in the protocol's own client, ``@ag-ui/client``, on a real server."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from ag_ui.core import Event
from pydantic import TypeAdapter

from hitl_notebook import Client, PermissionDeniedError, ReviewKey
from hitl_notebook.client.review_page import FirstOutput
from tests.pages.stage import Key, Stage
from tests.support.call_samples import question, refunds
from tests.support.node import Program, node_program

EVENT: TypeAdapter[Any] = TypeAdapter(Event)


class Front:
    """A front end: the protocol's client in Node, as one user."""

    def __init__(self, program: Program, stage: Stage, key: Key, user: str = "ann") -> None:
        self._program, self._stage, self.key = program, stage, key
        self._job = {
            "do": "run",
            "url": f"{stage.address('ag-ui')}?{key.query}",
            "token": stage.server.token(user),
            "thread": uuid.uuid4().hex,
        }
        self.last: dict[str, Any] = {}

    def run(self, **more: Any) -> dict[str, Any]:
        """One run; every event of it is one of the Python models', too."""
        self.last = self._program({**self._job, **more})
        assert "failed" not in self.last, self.last
        assert self.last["warnings"] == [], self.last["warnings"]
        for event in self.last["events"]:
            EVENT.validate_python(event)
        return self.last

    def answer(self, **payload: Any) -> dict[str, Any]:
        """Answer all that waits alike."""
        return self.run(resume={"answer": payload})

    def cancel(self, **more: Any) -> dict[str, Any]:
        """Cancel all that waits; the client runs only with answers to it."""
        resume = [{"interruptId": one["id"], "status": "cancelled"} for one in self.last["interrupts"]]
        return self.run(resume=resume, **more)

    @property
    def outcome(self) -> str:
        last = self.last["events"][-1]
        return str(last["outcome"]["type"] if last["type"] == "RUN_FINISHED" else last["code"])

    @property
    def said(self) -> list[tuple[str, Any]]:
        return [(one["role"], one.get("content")) for one in self.last["messages"]]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.last["events"] if event["type"] == kind]


@pytest.fixture(scope="module")
def program(folder: Path) -> Iterator[Program]:
    with node_program(folder, "ag_ui.mjs") as running:
        yield running


def post(stage: Stage, key: Key, body: Any, user: str | None = "ann", **more: Any) -> requests.Response:
    return stage.server.call("POST", "/ag-ui", user=user, params=key.params, json=body, **more)


def asked(**more: Any) -> dict[str, Any]:
    return {"threadId": "t", "runId": "r", "messages": [], **more}


def events_in(answer: requests.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    return [json.loads(line[5:]) for line in answer.text.splitlines() if line.startswith("data:")]


def test_look_shows_the_review_and_what_waits(stage: Stage, program: Program) -> None:
    key = stage.one(prompt="Summarize it.", outputs=["First draft.", "Second draft."], feedback=["Shorter."])
    front = Front(program, stage, key)
    front.run()
    kinds = [event["type"] for event in front.last["events"]]
    assert kinds == ["RUN_STARTED", "STATE_SNAPSHOT", "MESSAGES_SNAPSHOT", "RUN_FINISHED"]
    assert front.last["events"][0]["protocolVersion"] == "1.0"
    assert front.said == [
        ("user", "Summarize it."),
        ("assistant", "First draft."),
        ("user", "Shorter."),
        ("assistant", "Second draft."),
    ]
    assert front.last["state"]["status"] == "pending_review"
    assert "conversation" not in front.last["state"]
    (waits,) = front.last["interrupts"]
    assert waits["reason"] == "hitl_review:output"
    assert waits["id"].startswith("2-")
    assert waits["responseSchema"]["required"] == ["decision"]
    assert "expiresAt" not in waits, "a field that is not set is left out"


def test_approval_ends_the_run_with_the_result(stage: Stage, program: Program) -> None:
    front = Front(program, stage, stage.one(outputs=["Draft."]))
    front.run()
    front.answer(decision="approve", feedback="Good.")
    assert front.outcome == "success"
    assert front.last["events"][-1]["result"] == {
        "status": "approved",
        "decided_by": "ann",
        "edited": False,
        "output": "Draft.",
    }
    assert stage.find(front.key)["status"] == "approved"
    front.run()
    assert front.outcome == "success", "and so does every later look"


def test_edited_approval(stage: Stage, program: Program) -> None:
    schema = {"type": "object", "properties": {"total": {"type": "integer"}}, "required": ["total"]}
    key = stage.one(outputs=['{"total": 1}'], format="json", output_schema=json.dumps(schema))
    front = Front(program, stage, key)
    front.run()
    assert front.last["interrupts"][0]["responseSchema"]["properties"]["edited_output"]["required"] == ["total"]
    front.answer(decision="approve", edited_output={"total": "many"})
    assert front.outcome == "invalid_payload"
    assert "total" in front.last["events"][-1]["message"]
    front.answer(decision="approve", edited_output={"total": 2})
    assert front.last["events"][-1]["result"]["output"] == {"total": 2}
    assert stage.find(key)["edited"] is True


@contextmanager
def streamed(stage: Stage, key: Key, body: Any) -> Iterator[Iterator[dict[str, Any]]]:
    """The events of a run, one by one as they come."""
    answer = post(stage, key, body, stream=True)
    assert answer.status_code == 200, answer.text
    with answer:
        lines = answer.iter_lines(chunk_size=1, decode_unicode=True)
        yield (json.loads(line[5:]) for line in lines if line.startswith("data:"))


def noted(events: Iterator[dict[str, Any]], told: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The events, each of which is also added to a list."""
    for event in events:
        told.append(event)
        yield event


def until(events: Iterator[dict[str, Any]], kind: str) -> dict[str, Any]:
    """Read up to the next event of a kind."""
    return next(event for event in events if event["type"] == kind)


def test_changes_are_followed_to_the_next_output(stage: Stage, program: Program) -> None:
    key = stage.one(outputs=["Draft."], task_state="running")
    (waits,) = events_in(post(stage, key, asked()))[-1]["outcome"]["interrupts"]
    payload = {"decision": "request_changes", "feedback": "Shorter."}
    body = asked(resume=[{"interruptId": waits["id"], "status": "resolved", "payload": payload}])
    told: list[dict[str, Any]] = []
    with streamed(stage, key, body) as events:
        kept = noted(events, told)
        assert until(kept, "STATE_SNAPSHOT")["snapshot"]["status"] == "changes_requested"
        stage.tell(key, iteration=2, text="Reading 1 of 2", fraction=0.5, steps=[{"name": "read", "args": "1"}])
        content = until(kept, "ACTIVITY_SNAPSHOT")["content"]
        assert (content["text"], content["fraction"], content["steps"][0]["name"]) == (
            "Reading 1 of 2",
            0.5,
            "read",
        )
        stage.tell(key, iteration=2, text="Writing", partial="Shorter dr")
        assert until(kept, "ACTIVITY_SNAPSHOT")["content"]["partial"] == "Shorter dr"
        stage.next_output(key, "Shorter draft.")
        assert until(kept, "TEXT_MESSAGE_CONTENT")["delta"] == "Shorter draft."
        assert until(kept, "RUN_FINISHED")["outcome"]["interrupts"][0]["id"].startswith("2-")
        assert list(events) == [], "nothing comes after that"
    assert program({"do": "verify", "runs": [told]}) == {"verified": len(told), "warnings": []}


def test_first_output_is_followed(stage: Stage) -> None:
    key = stage.one(outputs=[], task_state="running")
    stage.tell(key, text="Thinking", partial="The we")
    with streamed(stage, key, asked()) as events:
        assert next(events)["type"] == "RUN_STARTED"
        assert next(events)["content"]["partial"] == "The we"
        stage.next_output(key, "The weather is fine.")
        (message,) = until(events, "MESSAGES_SNAPSHOT")["messages"][1:]
        assert message["content"] == "The weather is fine."
        assert until(events, "RUN_FINISHED")["outcome"]["type"] == "interrupt"


def test_message_is_a_request_for_changes(stage: Stage, program: Program) -> None:
    key = stage.one(outputs=["Draft."])
    front = Front(program, stage, key)
    front.run(say="Hello?")
    assert front.outcome == "not_seen", "nobody has read the output yet"
    assert ("assistant", "Draft.") in front.said, "now they have"
    said: dict[str, Any] = {"id": "m", "role": "user", "content": " "}
    answer = post(stage, key, asked(messages=[*front.last["messages"], said]))
    assert events_in(answer)[-1]["code"] == "empty_message"
    said["content"] = [{"type": "text", "text": "Shorter, please."}]
    with streamed(stage, key, asked(messages=[*front.last["messages"], said])) as events:
        assert until(events, "STATE_SNAPSHOT")["snapshot"]["status"] == "changes_requested"
    assert stage.find(key)["conversation"][-1]["content"] == "Shorter, please."


def test_calls_are_answered_one_by_one(stage: Stage, program: Program) -> None:
    key = stage.one(**refunds(), task_state="running")
    front = Front(program, stage, key)
    front.run()
    waits = front.last["interrupts"]
    assert [one["toolCallId"] for one in waits] == ["call_1", "call_2", "call_3"]
    assert {one["reason"] for one in waits} == {"tool_call"}
    assert "$defs" in waits[0]["responseSchema"], "references in the arguments' schema lead somewhere"
    assert waits[2]["metadata"] == {"list": "customers"}
    (calls,) = [one["toolCalls"] for one in front.last["messages"] if one.get("toolCalls")]
    assert json.loads(calls[2]["function"]["arguments"])["to"] == "ito@example.org"
    mail = {**json.loads(calls[2]["function"]["arguments"]), "to": "sato@example.org"}
    payloads: list[dict[str, Any]] = [
        {"approved": True},
        {"approved": False, "reason": "Too much."},
        {"approved": True, "editedArgs": mail},
    ]
    resume = [
        {"interruptId": one["id"], "status": "resolved", "payload": payload}
        for one, payload in zip(waits, payloads, strict=True)
    ]
    front.run(resume=resume[:2])
    assert "call_3" in front.last["error"], "the client knows that all must be answered"
    assert events_in(post(stage, key, asked(resume=resume[:2])))[-1]["code"] == "unanswered", "and so do we"
    half = [*resume[:2], {"interruptId": waits[2]["id"], "status": "cancelled"}]
    assert events_in(post(stage, key, asked(resume=half)))[-1]["code"] == "invalid_resume"
    with streamed(stage, key, asked(resume=resume)) as events:
        assert until(events, "STATE_SNAPSHOT")["snapshot"]["status"] == "changes_requested"
        stage.next_output(key, "Refunded.")
        assert until(events, "TEXT_MESSAGE_CONTENT")["delta"] == "Refunded."
    front = Front(program, stage, key)
    front.run()
    assert front.said[-1] == ("assistant", "Refunded.")
    answers = [one["content"] for one in front.last["messages"] if one["role"] == "tool"]
    assert answers == ["Approved.", "Denied. Too much.", "Approved."]
    edited = json.loads(stage.find(key)["conversation"][1]["content"])
    assert edited["call_3"]["args"]["to"] == "sato@example.org"


def test_question_is_answered(stage: Stage, program: Program) -> None:
    key = stage.one(**question(), task_state="running")
    front = Front(program, stage, key)
    front.run()
    assert front.last["interrupts"][0]["responseSchema"]["required"] == ["answer"]
    front.answer(answer="")
    assert front.outcome == "invalid_payload"
    front.run(resume={"answer": {"answer": "Kyoto."}}, dropAfter=3)
    assert stage.find(key)["conversation"][-1]["content"].count("Kyoto.") == 1, "decided, though the client dropped"


def test_cancelled_answer_decides_nothing(stage: Stage, program: Program) -> None:
    key = stage.one(outputs=["Draft."])
    front = Front(program, stage, key)
    front.run()
    front.cancel()
    assert front.outcome == "interrupt"
    assert stage.find(key)["status"] == "pending_review"
    stale = [{"interruptId": "9-gone", "status": "cancelled"}]
    assert events_in(post(stage, key, asked(resume=stale), "viv"))[-1]["type"] == "RUN_FINISHED", "a reader may"


def test_two_clients_of_one_review(stage: Stage, program: Program) -> None:
    key = stage.one(outputs=["Draft."])
    ann, admin = Front(program, stage, key), Front(program, stage, key, "admin")
    ann.run()
    admin.run()
    admin.answer(decision="reject", feedback="No.")
    assert admin.outcome == "success"
    for feedback, end in (("No.", "success"), ("No, as I said.", "conflict")):
        payload = {"decision": "reject", "feedback": feedback}
        entry = {"interruptId": waiting_id(ann), "status": "resolved", "payload": payload}
        last = events_in(post(stage, key, asked(resume=[entry]), "admin"))[-1]
        assert (last.get("outcome") or {}).get("type", last.get("code")) == end, "only the same answer counts once"
    ann.answer(decision="approve")
    assert ann.outcome == "conflict"
    assert "Already rejected by admin at" in ann.last["events"][-1]["message"]
    assert ann.last["state"]["status"] == "rejected", "and the client knows how it stands"


def waiting_id(front: Front) -> str:
    return str(front.last["interrupts"][0]["id"])


def test_answer_about_an_older_output(stage: Stage, program: Program) -> None:
    key = stage.one(outputs=["Draft."])
    front = Front(program, stage, key)
    front.run()
    stage.decide(key, "feedback", feedback="Shorter.")
    stage.next_output(key, "Shorter.")
    front.answer(decision="approve")
    assert front.outcome == "unknown_interrupt"
    assert stage.find(key)["status"] == "pending_review"
    front.cancel()
    assert front.outcome == "interrupt", "the client goes on with what waits now"
    assert front.last["interrupts"][0]["id"].startswith("2-")
    front.cancel(say="In one sentence, please.", dropAfter=3)
    assert stage.find(key)["conversation"][-1]["content"] == "In one sentence, please."


def test_answer_after_the_deadline(stage: Stage, program: Program) -> None:
    key = stage.one(outputs=["Draft."], deadline_in=-timedelta(hours=1).total_seconds())
    answer = events_in(post(stage, key, asked()))
    waits = answer[-1]["outcome"]["interrupts"][0]
    assert waits["expiresAt"].endswith("+00:00")
    resume = [{"interruptId": waits["id"], "status": "resolved", "payload": {"decision": "approve"}}]
    late = events_in(post(stage, key, asked(resume=resume)))[-1]
    assert (late["type"], late["code"]) == ("RUN_ERROR", "conflict")
    assert "timed out at" in late["message"]


def test_task_that_has_ended(stage: Stage) -> None:
    key = stage.one(outputs=["Draft."], task_state="failed")
    assert events_in(post(stage, key, asked()))[-1]["code"] == "task_ended"
    gone = stage.one(outputs=[], task_state="success")
    assert events_in(post(stage, gone, asked()))[-1]["code"] == "no_review"


def test_who_may_look_and_decide(stage: Stage) -> None:
    key = stage.one(outputs=["Draft."])
    assert post(stage, key, asked(), None).status_code == 401
    assert post(stage, key, asked(), "bob").status_code == 403
    waits = events_in(post(stage, key, asked(), "viv"))[-1]["outcome"]["interrupts"][0]
    resume = [{"interruptId": waits["id"], "status": "resolved", "payload": {"decision": "approve"}}]
    refused = post(stage, key, asked(resume=resume), "viv")
    assert refused.status_code == 403
    assert "may not decide" in refused.text


def test_script_gets_the_same_events(stage: Stage) -> None:
    key = stage.one(outputs=[], task_state="running")
    review = ReviewKey(key.dag_id, key.run_id, key.task_id, key.map_index)
    client = Client(stage.server.airflow.url, token=stage.server.token("ann"))
    stage.tell(key, text="Reading")
    events = client.stream(review)
    assert next(events)["type"] == "RUN_STARTED"
    assert next(events)["content"]["text"] == "Reading"
    told = client.progress(review)
    assert told is not None
    assert told.being_made
    assert told.progress is None or told.progress.text == "Reading"  # another process may not have looked yet
    stage.next_output(key, "Draft.")
    assert [event["type"] for event in events][-1] == "RUN_FINISHED"
    client.approve(client.find(review))
    *_, last = client.stream(review)
    assert last["result"]["output"] == "Draft."
    with pytest.raises(PermissionDeniedError):
        next(Client(stage.server.airflow.url, token=stage.server.token("bob")).stream(review))
    (listed,) = [one for one in being_made_by(stage, client) if one.key.run_id != key.run_id]
    assert listed.started_at is None


def being_made_by(stage: Stage, client: Client) -> tuple[FirstOutput, ...]:
    key = stage.one(outputs=[], task_state="running")
    stage.tell(key, text="Reading")
    made = client.sessions(q=key.run_id).being_made
    assert [one.key.run_id for one in made] == [key.run_id]
    stage.tell(key)
    return made


def test_capabilities(stage: Stage) -> None:
    told = stage.server.call("GET", "/ag-ui/capabilities").json()
    assert told["humanInTheLoop"] == {
        "supported": True,
        "approvals": True,
        "feedback": True,
        "interrupts": True,
        "approveWithEdits": True,
    }
    assert None not in told.values()


def test_a_thousand_inputs_that_no_client_would_send(stage: Stage) -> None:
    """No answer is a server error, and each stream ends as the protocol says."""
    random_ = random.Random(20261128)
    keys = [
        stage.one(outputs=["Draft."], max_iterations=9_999_999),
        stage.one(**refunds()),
        stage.one(outputs=["Draft."], status="approved"),
    ]
    known = {
        key: [waits["id"] for waits in events_in(post(stage, key, asked()))[-1]["outcome"].get("interrupts", [])]
        for key in keys
    }

    def send(number: int) -> tuple[int, str]:
        key = keys[number % len(keys)]
        answer = post(stage, key, _strange_input(random.Random(number), known[key]))
        assert answer.status_code in (200, 403, 413, 422), answer.text[:500]
        if answer.status_code == 200:
            events = events_in(answer)
            assert events[-1]["type"] in ("RUN_FINISHED", "RUN_ERROR"), events[-1]
            return 200, str(events[-1].get("code", ""))
        return answer.status_code, ""

    with ThreadPoolExecutor(4) as pool:
        seen = set(pool.map(send, [random_.randrange(10**9) for _ in range(1_000)]))
    assert {status for status, _ in seen} >= {200, 422}
    assert {code for _, code in seen} >= {"invalid_payload", "unknown_interrupt", ""}


def _strange_input(random_: random.Random, known: list[str]) -> Any:
    def value(depth: int = 0) -> Any:
        simple: list[Any] = [None, True, 0, -1, 2**63, 1.5, "", "x" * 70_000, "\u202e漢🎉", "approve", "1-0"]
        if depth > 3 or random_.random() < 0.6:
            return random_.choice(simple)
        if random_.random() < 0.5:
            return [value(depth + 1) for _ in range(random_.randrange(4))]
        return {random_.choice(["decision", "feedback", "approved", "x"]): value(depth + 1) for _ in range(3)}

    def entry() -> Any:
        decision = {"decision": random_.choice(["approve_", "", None, "maybe"]), "feedback": value()}
        return random_.choice(
            [
                value(),
                {
                    "interruptId": random_.choice([*known, "", "1-0000", "é" * 500]),
                    "status": random_.choice(["resolved", "cancelled", "maybe"]),
                    "payload": random_.choice([value(), decision]),
                },
            ]
        )

    whole: dict[str, Any] = asked()
    whole["messages"] = random_.choice(
        [
            [],
            [],
            value(),
            [value()],
            [{"id": "m", "role": random_.choice(["user", "tool", "?"]), "content": value()}],
        ]
    )
    resume = [entry() for _ in range(random_.randrange(4))]
    if random_.random() < 0.5:
        resume = [{"interruptId": one, "status": "resolved", "payload": value()} for one in known]
    if random_.random() < 0.8:
        whole["resume"] = resume
    for _ in range(random_.randrange(2)):
        whole[random_.choice(["threadId", "state", "tools", "context", "protocolVersion", "x"])] = value()
    return whole

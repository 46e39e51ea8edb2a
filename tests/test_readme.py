"""The README's examples run."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from hitl_webhooks import EventType, ReviewFacts, build_event, generate_secret, sign

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def block(mark: str) -> str:
    (found,) = (b for b in BLOCKS if mark in b)
    return str(found)


def test_dag_example(tmp_path: Path) -> None:
    source = block("HITLReviewOperator(") + "\nfrom airflow.sdk import DAG\nprint(DAG.__name__)\n"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "DAG", done.stderr


def test_taskflow_example() -> None:
    source = block("@task.hitl_review(") + "\nprint(weekly().task_dict['summarize'].operator_name)\n"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "@task.hitl_review", done.stderr


def test_examples_need_no_logical_date() -> None:
    """A run triggered from the command line has none: ``{{ ds }}`` would fail its task."""
    pages = [README, *(page.read_text(encoding="utf-8") for page in (ROOT / "docs").rglob("*.md"))]
    assert not [
        found for page in pages for found in re.findall(r"{{\s*(?:ds|ts|logical_date|data_interval)\w*", page)
    ]


def test_panel_example() -> None:
    # In a test nothing answers at that port and nobody has logged in: the panel shows its form.
    exec(compile(block("ReviewPanel(").replace("8080", "9"), "README.md", "exec"), {})


def test_script_example_compiles() -> None:
    compile(block("Client("), "README.md", "exec")


def test_receiver_example(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    secret = generate_secret()
    monkeypatch.setenv("HITL_WEBHOOK_SECRET", secret)
    scope: dict[str, Any] = {}
    exec(compile(block("hitl_webhooks.verify("), "README.md", "exec", dont_inherit=True), scope)
    facts = ReviewFacts("8d1c2a7e-0000-4000-8000-000000000000", "d", "r", "t", -1, 1, "approved", 1, 5, "p", "o")
    now = datetime.now(timezone.utc)
    event = build_event(EventType.FINALIZED, facts, at=now)
    headers = {
        "webhook-id": event.id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": sign(event_id=event.id, timestamp=now, body=event.body, secrets=[secret]),
    }

    async def post(body: bytes) -> int:
        transport = httpx.ASGITransport(app=scope["app"])
        async with httpx.AsyncClient(transport=transport, base_url="http://receiver") as client:
            return (await client.post("/webhooks", content=body, headers=headers)).status_code

    assert asyncio.run(post(event.body)) == 204
    assert f"{event.id} hitl_review.finalized approved" in capsys.readouterr().out
    assert asyncio.run(post(event.body + b" ")) == 401


def test_the_film_is_animated_and_under_2_mb() -> None:
    (film,) = re.findall(r"\((docs/pictures/film\.\w+)\)", README)
    with Image.open(ROOT / film) as picture:
        assert getattr(picture, "n_frames", 1) > 50
    assert (ROOT / film).stat().st_size < 2_000_000

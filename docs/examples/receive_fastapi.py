"""Receive reviews with FastAPI.

pip install "hitl-notebook[receiver]"
HITL_WEBHOOK_SECRET=whsec_... uvicorn receive_fastapi:app --port 8090
"""

import logging
import os
from queue import SimpleQueue
from threading import Thread
from typing import Annotated

from fastapi import Depends, FastAPI

from hitl_webhooks import DuplicateGuard, ReceivedEvent
from hitl_webhooks.fastapi import verified_event

logging.basicConfig(level=logging.INFO)
verified = verified_event(os.environ["HITL_WEBHOOK_SECRET"].split())  # two secrets while one rotates
guard = DuplicateGuard("handled.sqlite3")
jobs: SimpleQueue[ReceivedEvent] = SimpleQueue()
app = FastAPI()


@app.post("/webhooks", status_code=204)
def receive(event: Annotated[ReceivedEvent, Depends(verified)]) -> None:
    with guard.claim(event.id) as new:  # if the block raises, the sender repeats the event, and it is new again
        if new:
            jobs.put(event)  # answer quickly, work later; what must survive a crash belongs in a durable queue


def work() -> None:
    while True:
        event = jobs.get()
        try:
            logging.info("WORK %s %s %s %s", event.id, event.type, event.status, event.session)
        except Exception:
            logging.exception("Event %s failed", event.id)


Thread(target=work, daemon=True).start()

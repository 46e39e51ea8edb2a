"""Receive reviews with Flask.

pip install hitl-notebook flask
HITL_WEBHOOK_SECRET=whsec_... flask --app receive_flask run --port 8090
"""

import logging
import os
from queue import SimpleQueue
from threading import Thread

from flask import Flask, request

from hitl_webhooks import DuplicateGuard, ReceivedEvent, WebhookVerificationError, verify

logging.basicConfig(level=logging.INFO)
secrets = os.environ["HITL_WEBHOOK_SECRET"].split()  # two secrets while one rotates
guard = DuplicateGuard("handled.sqlite3")
jobs: SimpleQueue[ReceivedEvent] = SimpleQueue()
app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 256_000  # bytes; an event has 20,000 at most


@app.post("/webhooks")
def receive() -> tuple[str, int]:
    try:
        event = verify(request.get_data(), request.headers, secrets)  # the raw bytes, not request.json
    except WebhookVerificationError as error:
        return str(error), 401
    with guard.claim(event.id) as new:  # if the block raises, the sender repeats the event, and it is new again
        if new:
            jobs.put(event)  # answer quickly, work later; what must survive a crash belongs in a durable queue
    return "", 204


def work() -> None:
    while True:
        event = jobs.get()
        try:
            logging.info("WORK %s %s %s %s", event.id, event.type, event.status, event.session)
        except Exception:
            logging.exception("Event %s failed", event.id)


Thread(target=work, daemon=True).start()

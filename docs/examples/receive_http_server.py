"""Receive reviews with the standard library's server.

HITL_WEBHOOK_SECRET=whsec_... python receive_http_server.py 8090
"""

import logging
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import SimpleQueue
from threading import Thread

from hitl_webhooks import DuplicateGuard, ReceivedEvent, WebhookVerificationError, verify

logging.basicConfig(level=logging.INFO)
secrets = os.environ["HITL_WEBHOOK_SECRET"].split()  # two secrets while one rotates
guard = DuplicateGuard("handled.sqlite3")
jobs: SimpleQueue[ReceivedEvent] = SimpleQueue()


class Receiver(BaseHTTPRequestHandler):
    timeout = 10  # seconds; a sender that falls silent must not hold a thread

    def do_POST(self) -> None:
        length = self.headers.get("content-length", "")
        if not length.isdecimal() or len(length) > 6 or int(length) > 256_000:  # an event has 20,000 at most
            return self.send_error(413)
        try:
            event = verify(self.rfile.read(int(length)), self.headers, secrets)
            with guard.claim(event.id) as new:  # if it raises, nothing is answered, and the repeat is new again
                if new:
                    jobs.put(event)  # answer quickly, work later; a durable queue if it must survive a crash
        except WebhookVerificationError as error:
            return self.send_error(401, explain=str(error))
        self.send_response(204)
        return self.end_headers()


def work() -> None:
    while True:
        event = jobs.get()
        try:
            logging.info("WORK %s %s %s %s", event.id, event.type, event.status, event.session)
        except Exception:
            logging.exception("Event %s failed", event.id)


Thread(target=work, daemon=True).start()
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if sys.argv[1:] else 8090), Receiver).serve_forever()

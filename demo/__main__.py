"""``make demo``: everything on this machine, until Ctrl-C."""

from __future__ import annotations

import signal
import sys
import time
from types import FrameType
from typing import Any

from demo.airflow_instance import AirflowInstance
from demo.processes import StartError
from demo.stack import DAG_ID, DAG_IDS, ROOT, USER, Receiver, whole

HOME = ROOT / ".demo" / "run"


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def describe(event: dict[str, Any]) -> str:
    """An event in one line."""
    session, data = event["data"]["session"], event["data"]
    who = f" by {data['decided_by']['name']}" if data["decided_by"] else ""
    what = f"output {session['iteration']} of {session['dag_id']}, {session['run_id']},"
    return f"{event['type']}: {what} is {data['status']}{who}"


def main() -> int:
    """Start, explain, follow the webhooks."""
    # Also Ctrl-C, which a shell that started us in the background had ignored.
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    print("Starting Airflow, a webhook receiver and JupyterLab. This takes about half a minute.", flush=True)
    try:
        with whole(HOME, with_jupyter=True) as (airflow, receiver, address):
            for dag_id in (DAG_ID, *DAG_IDS):
                airflow.trigger(dag_id)
            explain(airflow, address)
            follow(receiver)
    except StartError as error:
        print(f"The demo could not start: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nEnded. Run `make demo` to start afresh.")
    return 0


def explain(airflow: AirflowInstance, address: str) -> None:
    """Say where to click and what to try."""
    print(
        f"""
  1. Open the notebook     {address}
     and run its cells (Run > Run All Cells). Two reports, a quarter's figures, twelve
     descriptions of products and an expense claim wait for you. Open a report.
  2. Ask for changes:      write "by region, as a table" and press Request changes.
     The next output appears within a few seconds. Then press Approve.
     Other wishes it understands: by product, by month, shorter, with growth, with units.
  3. Reject the other one, and look at both runs in Airflow:
                           {airflow.url}/dags/{DAG_ID}   (user {USER}, password {USER})
  4. Beside the notebook:  review_beside_data.ipynb checks the figures against the data, and
     bulk_review.ipynb decides about the descriptions, many at once; edit_and_approve.ipynb
     edits the claim. Run them cell by cell. (answer_an_agent.ipynb needs an agent in your own Airflow.)

  Webhooks that an outside receiver has verified appear below. Ctrl-C ends everything.
""",
        flush=True,
    )


def follow(receiver: Receiver) -> None:
    """Print each event as it comes in."""
    seen = 0
    while True:
        events = receiver.events()
        for event in events[seen:]:
            print(f"  webhook  {describe(event)}", flush=True)
        seen = len(events)
        time.sleep(1)


if __name__ == "__main__":
    sys.exit(main())

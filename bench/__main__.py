"""``make bench``: measure, print the figures as JSON, and keep them with a plot and tables.

All parts but ``pages``, so that it takes less than 15 minutes; or those that are named: ``python -m bench inbox
pages``. What was measured goes to
``docs/performance.json``, ``docs/pictures/performance.svg`` and the tables in ``docs/performance.md``.
"""

from __future__ import annotations

import json
import shutil
import signal
import sys
import time

from bench import decisions, inbox, latency, pages, panel, permissions, progress, report, waiting, webhooks
from tests.support import postgres

PARTS = {
    "latency": latency.run,
    "waiting": waiting.run,
    "inbox": inbox.run,
    "permissions": permissions.run,
    "decisions": decisions.run,
    "panel": panel.run,
    "webhooks": webhooks.run,
    "progress": progress.run,
    "pages": pages.run,
}


def main() -> int:
    """Run them one after the other: at the same time they would measure each other."""
    wanted = sys.argv[1:] or [name for name in PARTS if name != "pages"]
    if unknown := [name for name in wanted if name not in PARTS]:
        print(f"There is no benchmark {', '.join(unknown)}. Choose from: {', '.join(PARTS)}.", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # ends what it has started
    folder = postgres.reachable_folder("hitl-bench-")
    try:
        for name in wanted:
            (folder / name).mkdir(mode=0o755)
            start = time.monotonic()
            found = {name: {**PARTS[name](folder / name), "took_seconds": round(time.monotonic() - start)}}
            print(json.dumps(found, indent=2), flush=True)
            report.write(found)  # at once: a later part may fail
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"Saved in docs/{report.RESULTS.name} and docs/{report.PAGE.name}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

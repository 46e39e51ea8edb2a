"""``make chaos``: kill, restart and delay what can be, while twenty people review; then check what must hold.

All scenarios, or those that are named: ``python -m chaos local``; another order of faults: ``--seed 2``. Prints one
line of counts at the end; if anything did not hold, it keeps the folder with all logs and exits with 1.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys

from chaos.run import run
from chaos.scenarios import SCENARIOS
from demo.processes import StartError
from tests.support import postgres


def main() -> int:
    """Run the scenarios one after the other."""
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("scenario", nargs="*", choices=[[], *(s.name for s in SCENARIOS)])
    parser.add_argument(
        "--seed",
        type=int,
        default=1,
        help="seed of the faults and decisions; with an even seed, reviews have reviewers (default: 1)",
    )
    parser.add_argument(
        "--reviews", type=int, help="run each scenario until it has had this many reviews, however long that takes"
    )
    wanted = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # ends what it has started
    folder = postgres.reachable_folder("hitl-chaos-")
    totals = {"scenarios": 0, "reviews": 0, "faults": 0, "decisions": 0, "events": 0, "broken": 0}
    try:
        for scenario in SCENARIOS:
            if wanted.scenario and scenario.name not in wanted.scenario:
                continue
            (folder / scenario.name).mkdir(mode=0o755)
            if wanted.reviews:
                scenario = scenario.until(wanted.reviews)
            found = run(scenario, folder / scenario.name, wanted.seed)
            print(json.dumps(found, indent=2), flush=True)
            totals["scenarios"] += 1
            totals["broken"] += len(found["broken"])
            totals["decisions"] += sum(found["decisions"].values())
            for name in ("reviews", "faults", "events"):
                totals[name] += found[name]
    except StartError as error:
        print(f"{error}\nThe logs are in {folder}", file=sys.stderr)
        return 1
    print("chaos: " + ", ".join(f"{count} {name}" for name, count in totals.items()))
    if totals["broken"]:
        print(f"The logs are in {folder}", file=sys.stderr)
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

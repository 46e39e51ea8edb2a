"""``make bench``: measure, and print the figures as JSON."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path

from bench import pages, webhooks


def main() -> int:
    """Run all benchmarks, or those that are named: ``python -m bench pages``."""
    wanted = sys.argv[1:]
    folder = Path(tempfile.mkdtemp(prefix="hitl-bench-"))
    folder.chmod(0o755)  # for PostgreSQL's own account
    try:
        for name, run in (("webhooks", webhooks.run), ("pages", pages.run)):
            if not wanted or name in wanted:
                (folder / name).mkdir(mode=0o755)
                print(json.dumps({name: run(folder / name)}, indent=2), flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

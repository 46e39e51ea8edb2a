"""What a whole run of the benchmarks measured, as JSON, a plot and tables."""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.peers import NAMES, NEWEST
from bench.plot import plot
from bench.progress import table_of

DOCS = Path(__file__).resolve().parent.parent / "docs"
RESULTS = DOCS / "performance.json"
PAGE = DOCS / "performance.md"

QUICK = NAMES | {
    "edited": "hitl-notebook, approved with an edit",
    "tool call": "hitl-notebook, an agent's tool call, then its output",
    "AG-UI": "hitl-notebook, over AG-UI",
}


BESIDE_THE_PROVIDER = {"latency", "waiting", "decisions"}
"""Parts whose Airflow runs in an environment of its own, with the provider in it."""


def machine(part: str) -> dict[str, Any]:
    """On what it was measured; Python is the one that Airflow, or what is measured instead, runs on."""
    beside = part in BESIDE_THE_PROVIDER
    return {
        "cpus": os.cpu_count(),
        "python": NEWEST.python if beside else platform.python_version(),
        "airflow": NEWEST.airflow if beside else version("apache-airflow-core"),
        "system": f"{platform.system()} {platform.machine()}",
    }


def write(results: Mapping[str, Any]) -> None:
    """Keep the figures of those parts that were run, renew their tables in the page, and draw all there are."""
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    kept |= {name: {"machine": machine(name), **figures} for name, figures in results.items()}
    RESULTS.write_text(json.dumps(kept, indent=2) + "\n")
    if {"inbox", "latency"} <= set(kept):
        plot(kept, DOCS / "pictures" / "performance.svg")
    page = PAGE.read_text(encoding="utf-8")
    for name in results:
        page = replaced(page, name, TABLES[name](kept[name]))
    PAGE.write_text(page, encoding="utf-8")


def replaced(page: str, name: str, table: str) -> str:
    """The page with another table between the marks of that name.

    Raises:
        ValueError: it has no such marks.
    """
    marks = re.compile(rf"(<!-- measured: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    page, count = marks.subn(lambda found: f"{found[1]}{table}\n{found[2]}", page)
    if count != 1:
        raise ValueError(f"{PAGE.name} has {count} places for the table {name!r}, not one.")
    return page


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _latency(found: Mapping[str, Any]) -> str:
    rows = [
        [
            name,
            found[kind]["samples"],
            f"{found[kind]['median_seconds']:.2f} s",
            f"{found[kind]['p95_seconds']:.2f} s",
        ]
        for kind, name in NAMES.items()
    ]
    table = _table(["decision to the end of the task", "samples", "median", "p95"], rows)
    quick = [
        [
            f"{QUICK[kind]}, {words}",
            figures["samples"],
            *(f"{figures[f'{what}_{name}_seconds']:.2f} s" for name in ("median", "p95", "max")),
        ]
        for what, words in (("next_output", "feedback to the next output"), ("end", "approval to the end"))
        for kind, figures in found["quick"].items()
    ]
    return (
        f"{table}\n\nParked to `ApprovalOperator`: {found['parked_to_approval']} to 1. "
        f"The provider to parked: {found['provider_to_parked']} to 1.\n\n"
        + _table(["answered 1 s after the output", "samples", "median", "p95", "most"], quick)
    )


def _waiting(found: Mapping[str, Any]) -> str:
    columns = {
        "nothing pending": found["nothing_pending"],
        f"{found['reviews']} parked": found["parked"],
        "and the provider's": found["provider"],
    }
    lines = {
        "worker slots": "worker_slots",
        "processes": "processes",
        "memory (PSS), MB": "memory_mb",
        "SQL statements per second": "statements_per_second",
        "another task, from trigger to end": "other_task_seconds",
    }

    def cell(value: object, field: str) -> str:
        if field == "other_task_seconds":
            return f"{value} s" if value is not None else f"not in {found['patience_seconds']:.0f} s"
        return str(value)

    rows = [[line, *(cell(column[field], field) for column in columns.values())] for line, field in lines.items()]
    theirs = found["provider"]["pending"]
    return (
        f"{_table(['', *columns], rows)}\n\n"
        f"All {found['reviews']} were parked {found['seconds_to_park_all']} s after their trigger. "
        f"Of the provider's {found['reviews']}, {theirs} could be reviewed: they hold all {found['slots']} slots."
    )


def _inbox(found: Mapping[str, Any]) -> str:
    sizes = [size for size in found if size.isdigit()]
    views = [
        name for name, figures in found[sizes[0]].items() if isinstance(figures, dict) and "statements" in figures
    ]
    rows = [
        [view, *(f"{found[size][view]['p50_ms']} / {found[size][view]['p95_ms']}" for size in sizes)]
        for view in views
    ]
    same = [found[size]["unchanged"] for size in sizes]
    unchanged = [f"{figures['p50_ms']} / {figures['p95_ms']}" for figures in same]
    rows.append(["first page, unchanged (304)", *unchanged])
    rows.append(["SQL statements of a first page", *(found[size]["first page"]["statements"] for size in sizes)])
    rows.append(["the look for new forged decisions, every 10 s, ms", *(found[size]["sweep_ms"] for size in sizes)])
    rows.append(["memory of the API server, MB", *(found[size]["memory_mb"] for size in sizes)])
    table = _table(["p50 / p95, ms", *(f"{int(size):,}" for size in sizes)], rows)
    large = found["large outputs"]
    public, ours = found["100"]["public API"]["seconds"], found["100"]["100 rows"]["p50_ms"]
    planned = [size for size in sizes if "plan of the first page" in found[size]][-1]
    plan = "; ".join(dict.fromkeys(found[planned]["plan of the first page"]))
    return (
        f"{table}\n\nThe same 100 rows from Airflow's public API, one request for the list, one for each session: "
        f"{public * 1000:.0f} ms, {public * 1000 / ours:.0f} times as long. "
        f"A first page of outputs of {large['characters'] // 1000} kB: {large['p50_ms']} / {large['p95_ms']} ms. "
        f"How PostgreSQL reads the first page of {int(planned):,}: {plan}."
    )


def _permissions(found: Mapping[str, Any]) -> str:
    rows = [
        [name, f"{found[part]['p50_ms']} / {found[part]['p95_ms']}"]
        for part, name in (("first_page", "asked for the first time"), ("first_page_again", "again, within 20 s"))
    ]
    return _table([f"first page, {found['dags']} DAGs", "p50 / p95, ms"], rows)


def _decisions(found: Mapping[str, Any]) -> str:
    def cells(f: Mapping[str, Any]) -> list[object]:
        times = ["–" if f[name] is None else f[name] for name in ("median_ms", "p95_ms")]
        return [f"{f['decided']} of {found['decisions']}", f["decisions_per_second"], *times]

    rows = [
        [f"{count} process{'es' if count != '1' else ''}", name, *cells(f[kind])]
        for count, f in found.items()
        if count.isdigit()
        for kind, name in (("ours", "hitl-notebook"), ("provider", "the AI provider"))
    ]
    return _table(["API server", "", "decided", "per second", "median, ms", "p95, ms"], rows)


def _panel(found: Mapping[str, Any]) -> str:
    rows = [
        [f"{int(size):,}", f["cpu_ms"], f["wall_ms"], f"{f['bytes_to_the_browser'] // 1000} KB"]
        for size, f in found.items()
        if size.isdigit()
    ]
    return _table(["reviews", "processor time, ms", "until it was there, ms", "sent to the browser"], rows)


def _webhooks(found: Mapping[str, Any]) -> str:
    burst, rest = found["burst"], found["statements_per_second_at_rest"]
    rows = [
        ["deliveries, repeats", f"{burst['deliveries']}, {burst['repeats']}"],
        ["until the last one had arrived", f"{burst['seconds']} s ({burst['deliveries_per_second']} per second)"],
        ["SQL statements per delivery, all included", burst["statements_per_delivery"]],
        [
            "memory of the API server before, at its peak",
            f"{burst['memory_mb_before']} MB, {burst['memory_mb_peak']} MB",
        ],
        *([f"SQL statements per second at rest, {int(n):,} open reviews", rate] for n, rate in rest.items()),
    ]
    return _table(["", ""], rows)


def _pages(found: Mapping[str, Any]) -> str:
    none, each, one = found["no_page_open"], found["each_on_its_own_review"], found["all_on_one_review"]

    def spread(value: Mapping[str, float]) -> str:
        return f"{value['median']} s (median of 10), {value['max']} s at most"

    pages = found["pages"]
    rows = [
        ["SQL statements per second", *(part["statements_per_second"] for part in (none, each, one))],
        ["memory of the API server, MB", none["memory_mb"], each["memory_mb"], ""],
        ["from a decision to its page's update", "", spread(each["decision_to_update_seconds"]), ""],
        ["from a decision to the last page's update", "", "", spread(one["decision_to_last_update_seconds"])],
        ["until all were open", "", f"{each['seconds_to_open_all']} s", ""],
    ]
    return _table(["", "no page", f"{pages} pages on {pages} reviews", f"{pages} pages on one review"], rows)


def _progress(found: Mapping[str, Any]) -> str:
    return _table(*table_of(found))


TABLES = {
    "latency": _latency,
    "waiting": _waiting,
    "inbox": _inbox,
    "permissions": _permissions,
    "decisions": _decisions,
    "panel": _panel,
    "webhooks": _webhooks,
    "pages": _pages,
    "progress": _progress,
}

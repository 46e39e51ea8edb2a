from __future__ import annotations

import subprocess
import sys
from datetime import datetime, timedelta, timezone

import pandas as pd
import pytest

from hitl_notebook import Client, ReviewKey
from hitl_notebook.client.frame import COLUMNS, frame_of
from tests.notebook.server import ReviewServer, review, session
from tests.notebook.times import START, stamp

KINDS = {
    **dict.fromkeys(("map_index", "iteration", "max_iterations"), "int64"),
    **dict.fromkeys(("is_pending", "task_completed"), "bool"),
    **dict.fromkeys(("created_at", "updated_at", "deadline_at", "decided_at"), "datetime64[us, UTC]"),
}


def kinds(frame: pd.DataFrame) -> dict[str, str]:
    return {str(name): str(kind) for name, kind in frame.dtypes.items()}


def test_one_row_per_review(server: ReviewServer, client: Client) -> None:
    mapped = ReviewKey("b", "r", "draft", 7)
    server.sessions[mapped] = session(
        mapped,
        created_at=stamp(1),
        deadline_at="2030-01-02T04:04:05.25+01:00",
        status="approved",
        decided_by={"id": "1", "name": "Ada"},
        decided_at=stamp(9),
    )
    server.add("a", created_at=stamp(2))
    frame = client.to_frame()
    assert tuple(frame.columns) == COLUMNS
    assert list(frame.index) == [0, 1]
    assert [ReviewKey(*row) for row in frame[["dag_id", "run_id", "task_id", "map_index"]].to_numpy()] == [
        mapped,
        ReviewKey("a", "manual__2030", "draft"),
    ]
    first, second = frame.to_dict("records")
    assert first["deadline_at"] == START + timedelta(seconds=0.25)
    assert first["deadline_at"].tzinfo is timezone.utc or str(first["deadline_at"].tz) == "UTC"
    assert (first["decided_by"], first["decided_by_id"], first["is_pending"]) == ("Ada", "1", False)
    assert pd.isna(second["deadline_at"])
    assert pd.isna(second["decided_by"])
    assert (second["output_excerpt"], second["is_pending"]) == ("# First draft", True)


def test_column_types_do_not_depend_on_the_data(server: ReviewServer, client: Client) -> None:
    expected = {name: KINDS.get(name, "string") for name in COLUMNS}
    empty = client.to_frame()
    assert len(empty) == 0
    assert kinds(empty) == expected
    server.add()
    assert kinds(client.to_frame()) == expected
    server.add("b", last_error="x", task_state=None, deadline_at=stamp(1))
    assert kinds(client.to_frame()) == expected
    assert len(pd.concat([empty, client.to_frame()])) == 2


def test_frame_has_all_pages_and_filters(server: ReviewServer, client: Client) -> None:
    for number in range(1_203):
        server.add("many", f"r{number:05}", created_at=stamp(number))
    server.add("one", status="approved", task_completed=True)
    frame = client.to_frame(dag_id="many")
    assert list(frame["run_id"]) == [f"r{number:05}" for number in range(1_203)]
    asked = server.asked("/hitl-review/sessions")
    assert {seen.query["limit"] for seen in asked} == {"500"}
    assert len(asked) == 3
    assert list(client.to_frame(status=["approved", "rejected"], include_ended=True)["dag_id"]) == ["one"]
    assert list(client.to_frame(q="R01202", order_by="-run_id")["run_id"]) == ["r01202"]


def test_extreme_values_are_kept() -> None:
    far = "9999-12-31T23:59:59.999999Z"
    text = "a\udc80\x00 日本 🎌"
    frame = frame_of([review(prompt=text, deadline_at=far)])
    assert frame["deadline_at"][0].to_pydatetime() == datetime(9999, 12, 31, 23, 59, 59, 999999, timezone.utc)
    assert frame["prompt"][0] == "a?\x00 日本 🎌"
    frame.to_csv().encode()


def test_missing_pandas_error_says_what_to_install() -> None:
    source = """
import sys
sys.modules["pandas"] = None
from hitl_notebook import Client
try:
    Client("http://unused.invalid", token="t").to_frame()
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=60, check=False)
    assert "pip install pandas" in done.stdout, done.stderr


def test_pandas_is_imported_lazily() -> None:
    source = (
        "import sys, hitl_notebook; hitl_notebook.Client; print('pandas' in sys.modules, 'IPython' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "False False\n", done.stderr


@pytest.mark.parametrize("name", COLUMNS)
def test_every_column_is_documented(name: str) -> None:
    assert f"``{name}``" in (Client.to_frame.__doc__ or "")

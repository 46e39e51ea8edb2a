"""The inbox as a pandas ``DataFrame``. pandas is imported only when one is made."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from hitl_notebook.records import ReviewSummary
from hitl_rendering.plain_text import encodable

if TYPE_CHECKING:
    import pandas as pd

_TIME = "datetime64[us, UTC]"

_COLUMNS: dict[str, tuple[str, Callable[[ReviewSummary], Any]]] = {
    "dag_id": ("text", lambda r: r.key.dag_id),
    "run_id": ("text", lambda r: r.key.run_id),
    "task_id": ("text", lambda r: r.key.task_id),
    "map_index": ("int64", lambda r: r.key.map_index),
    "status": ("text", lambda r: r.status),
    "is_pending": ("bool", lambda r: r.is_pending),
    "iteration": ("int64", lambda r: r.iteration),
    "max_iterations": ("int64", lambda r: r.max_iterations),
    "prompt": ("text", lambda r: r.prompt),
    "output_excerpt": ("text", lambda r: r.output_excerpt),
    "output_sha256": ("text", lambda r: r.output_sha256),
    "task_state": ("text", lambda r: r.task_state),
    "task_completed": ("bool", lambda r: r.task_completed),
    "last_error": ("text", lambda r: r.last_error),
    "created_at": (_TIME, lambda r: r.created_at),
    "updated_at": (_TIME, lambda r: r.updated_at),
    "deadline_at": (_TIME, lambda r: r.deadline_at),
    "decided_at": (_TIME, lambda r: r.decided_at),
    "decided_by": ("text", lambda r: r.decided_by.name if r.decided_by else None),
    "decided_by_id": ("text", lambda r: r.decided_by.id if r.decided_by else None),
}
"""Column name -> type, and the attribute it comes from."""

COLUMNS = tuple(_COLUMNS)
"""Column names, from left to right."""


def frame_of(reviews: Iterable[ReviewSummary]) -> pd.DataFrame:
    """Return a ``DataFrame`` with one row per review; see ``Client.to_frame`` for the columns.

    Args:
        reviews: inbox rows.

    Raises:
        ImportError: pandas is not installed.
    """
    pandas = _pandas()
    rows = list(reviews)
    # Not "string": its meaning depends on whether pyarrow is installed.
    text = pandas.StringDtype("python")
    frame: pd.DataFrame = pandas.DataFrame(
        {
            name: pandas.Series([_plain(take(row)) for row in rows], dtype=text if kind == "text" else kind)
            for name, (kind, take) in _COLUMNS.items()
        }
    )
    return frame


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return encodable(value)
    return value.astimezone(timezone.utc) if isinstance(value, datetime) else value


def _pandas() -> Any:
    try:
        import pandas as pd
    except ModuleNotFoundError as error:
        if error.name != "pandas":
            raise
        raise ImportError(
            "A data frame needs pandas, which is not installed. Install it with: pip install pandas"
        ) from error
    return pd

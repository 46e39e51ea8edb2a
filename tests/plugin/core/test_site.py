"""URLs of this project's app, with valid and invalid URL prefixes."""

from __future__ import annotations

import pytest

from airflow_hitl_review.core.site import Site
from airflow_hitl_review.core.task_key import TaskKey

KEY = TaskKey("a dag", "r+1", "t", 2)


def site(base_url: str = "https://airflow.example/base/", prefix: str | None = None) -> Site:
    return Site.read(base_url, lambda name, default: default if prefix is None else prefix)


def test_default_url_prefix() -> None:
    assert site().path == "/base/hitl-review"
    assert not site().is_moved
    assert site("").base_url == "http://localhost:8080"
    assert site().links_of(KEY) == {
        "review": "https://airflow.example/base/dags/a%20dag/runs/r%2B1/tasks/t/mapped/2",
        "chat": "https://airflow.example/base/hitl-review/chat?dag_id=a+dag&run_id=r%2B1&task_id=t&map_index=2",
        "api": "https://airflow.example/base/hitl-review/sessions/find?dag_id=a+dag&run_id=r%2B1&task_id=t&map_index=2",
    }


@pytest.mark.parametrize("prefix", ["/reviews", "reviews", " reviews/ "])
def test_custom_url_prefix(prefix: str) -> None:
    moved = site(prefix=prefix)
    assert (moved.prefix, moved.is_moved) == ("/reviews", True)
    assert moved.links_of(KEY)["chat"].startswith("https://airflow.example/base/reviews/chat?")
    assert moved.chat_path(KEY).startswith("/base/reviews/chat?")


@pytest.mark.parametrize(
    "prefix", ["", "/", "/a/b", "/api", "/ui", "/execution", "/..", "/a b", "/ä", "/-x", "/a?b"]
)
def test_invalid_url_prefix_is_replaced_by_the_default(prefix: str, caplog: pytest.LogCaptureFixture) -> None:
    assert site(prefix=prefix).prefix == "/hitl-review"
    assert "url_prefix is wrong" in caplog.text

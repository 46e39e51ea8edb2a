"""URLs of a review, for people and programs. No Airflow imports."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote, urlencode, urlsplit

from airflow_hitl_review.core.option_table import OPTIONS
from airflow_hitl_review.core.task_key import TaskKey

log = logging.getLogger(__name__)

URL_PREFIX = OPTIONS["url_prefix"].default
"""Default mount path of the app; the AI provider's app has the same."""

_USABLE = re.compile(r"/[A-Za-z0-9][A-Za-z0-9_-]*")
_AIRFLOWS_OWN = {"/api", "/auth", "/dags", "/docs", "/edge_worker", "/execution", "/pluginsv2", "/static", "/ui"}


@dataclass(frozen=True)
class Site:
    """URLs of this Airflow and of our app in it.

    Attributes:
        base_url: public URL of Airflow's API server, without a trailing slash.
        prefix: path of our app below it, with a leading slash.
    """

    base_url: str
    prefix: str = URL_PREFIX

    @classmethod
    def read(cls, base_url: str, option: Callable[[str, str], str]) -> Site:
        """Read the site from the settings.

        Args:
            base_url: Airflow's ``[api] base_url``; empty for a server on this machine.
            option: returns a setting of ``[hitl_review]`` by name, or the default.
        """
        return cls((base_url or "http://localhost:8080").rstrip("/"), _prefix(option("url_prefix", URL_PREFIX)))

    @property
    def base_path(self) -> str:
        """Path of ``base_url``, without a trailing slash; empty if Airflow is served at the root."""
        return urlsplit(self.base_url).path.rstrip("/")

    @property
    def path(self) -> str:
        """Path of our app on the host."""
        return self.base_path + self.prefix

    @property
    def is_moved(self) -> bool:
        """Whether our app has another path than the AI provider's."""
        return self.prefix != URL_PREFIX

    def chat_path(self, key: TaskKey) -> str:
        """Path of the review's own page on the host."""
        return f"{self.path}/chat?{query_of(key)}"

    def links_of(self, key: TaskKey) -> dict[str, str]:
        """URLs of a review.

        Returns:
            ``review``: the task instance's page in Airflow; ``chat``: the review's own page; ``api``: the review
            over REST.
        """
        ours = self.base_url + self.prefix
        return {
            "review": f"{self.base_url}/{task_path(key)}",
            "chat": f"{ours}/chat?{query_of(key)}",
            "api": f"{ours}/sessions/find?{query_of(key)}",
        }


def query_of(key: TaskKey) -> str:
    """The query string that identifies a review on all our routes."""
    return urlencode(
        {"dag_id": key.dag_id, "run_id": key.run_id, "task_id": key.task_id, "map_index": key.map_index}
    )


def task_path(key: TaskKey) -> str:
    """Path of the task instance's page in Airflow, below its base URL, without a leading slash."""
    dag_id, run_id, task_id = (quote(part, safe="") for part in (key.dag_id, key.run_id, key.task_id))
    mapped = f"/mapped/{key.map_index}" if key.map_index >= 0 else ""
    return f"dags/{dag_id}/runs/{run_id}/tasks/{task_id}{mapped}"


def _prefix(text: str) -> str:
    prefix = "/" + text.strip().strip("/")
    if _USABLE.fullmatch(prefix) and prefix not in _AIRFLOWS_OWN:
        return prefix
    log.error(
        "Setting [hitl_review] url_prefix is wrong, using %s instead: it takes one path segment of "
        "letters, digits, - and _ that Airflow does not use itself, such as /reviews, not %r.",
        URL_PREFIX,
        text,
    )
    return URL_PREFIX

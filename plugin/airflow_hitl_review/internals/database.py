"""Sessions, settings and the clock of Airflow's server side."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from urllib.parse import urlsplit

from airflow.configuration import conf
from airflow.utils.session import create_session
from sqlalchemy.orm import Session

__all__ = ["Session", "base_path", "base_url", "option", "transaction", "utcnow"]


def utcnow() -> datetime:
    """The current time."""
    return datetime.now(timezone.utc)


def option(name: str, default: str) -> str:
    """A setting of Airflow's ``[hitl_review]`` section."""
    return str(conf.get("hitl_review", name, fallback=default))


@contextmanager
def transaction() -> Iterator[Session]:
    """A database session that commits at the end, or rolls back if the block raises."""
    with create_session(scoped=False) as db:
        yield db


def base_url() -> str:
    """Address of this API server as people see it, without a slash at the end."""
    return str(conf.get("api", "base_url", fallback="") or "http://localhost:8080").rstrip("/")


def base_path() -> str:
    """Path below which this API server is served, without a slash at the end: empty at a host of its own."""
    return urlsplit(base_url()).path.rstrip("/")

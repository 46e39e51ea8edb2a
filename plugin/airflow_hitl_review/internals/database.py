"""Sessions, settings and the clock of Airflow's server side."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone

from airflow.configuration import conf
from airflow.utils.session import create_session
from sqlalchemy.orm import Session

from airflow_hitl_review.links import Site

__all__ = ["Session", "option", "site", "transaction", "utcnow"]


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


def site() -> Site:
    """Where this Airflow and our app are found."""
    return Site.read(str(conf.get("api", "base_url", fallback="")), option)

"""Sessions, settings and the clock of Airflow's server side."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone

from airflow.configuration import conf
from airflow.utils.session import create_session
from sqlalchemy.orm import Session

from airflow_hitl_review.core.options import reader
from airflow_hitl_review.core.site import Site

_AFTER_COMMIT = "hitl_review_after_commit"

__all__ = ["Session", "after_commit", "option", "site", "transaction", "utcnow"]


def utcnow() -> datetime:
    """The current time."""
    return datetime.now(timezone.utc)


option = reader(conf)
"""A setting of Airflow's ``[hitl_review]`` section."""


@contextmanager
def transaction() -> Iterator[Session]:
    """A database session that commits at the end, or rolls back if the block raises."""
    with create_session(scoped=False) as db:
        yield db
    do_after_commit(db)


def after_commit(db: Session, call: Callable[[], None]) -> None:
    """Call a function after ``db`` commits; not at all if it rolls back."""
    db.info.setdefault(_AFTER_COMMIT, []).append(call)


def hand_on(inner: Session, db: Session) -> None:
    """Move the after-commit calls of ``inner`` to ``db``, in whose transaction it runs."""
    db.info.setdefault(_AFTER_COMMIT, []).extend(inner.info.pop(_AFTER_COMMIT, ()))


def do_after_commit(db: Session) -> None:
    """Run the calls that ``after_commit`` registered."""
    for call in db.info.pop(_AFTER_COMMIT, ()):
        call()


def site() -> Site:
    """The URLs of this Airflow and of our app."""
    return Site.read(str(conf.get("api", "base_url", fallback="")), option)

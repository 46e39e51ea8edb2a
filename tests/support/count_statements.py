"""How many SQL statements a page of the inbox takes: ``python -m tests.support.count_statements``, in an Airflow's
environment. Prints, as the last line, JSON with one row per order: its name, and the number for a page of one
review and for a page of a hundred.
"""

from __future__ import annotations

import json
from typing import Any, get_args

from airflow import settings
from airflow.api_fastapi.app import init_auth_manager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from sqlalchemy import event

from airflow_hitl_review.server.db.transactions import transaction
from airflow_hitl_review.server.reviews.inbox import count_reviews, list_reviews
from airflow_hitl_review.server.reviews.inbox_filters import Filters, OrderBy
from airflow_hitl_review.server.reviews.open_reviews import OpenReviews

if __name__ == "__main__":
    init_auth_manager()
    statements: list[str] = []
    open_reviews = OpenReviews()
    event.listen(settings.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    user = SimpleAuthManagerUser(username="admin", role="ADMIN")
    with transaction() as db:  # whose DAGs are readable is remembered
        list_reviews(db, user, Filters(limit=1), count_reviews(open_reviews))
    counts: list[Any] = []
    for order_by in get_args(OrderBy):
        counts.append([order_by])
        for limit in (1, 100):
            statements.clear()
            with transaction() as db:
                list_reviews(db, user, Filters(limit=limit, order_by=order_by), count_reviews(open_reviews))
            counts[-1].append(len(statements))
    print(json.dumps(counts))  # noqa: T201 - its result

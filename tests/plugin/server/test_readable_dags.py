"""How often the auth manager is asked who may read what: some send an HTTP request for each check."""

from __future__ import annotations

import pytest

from tests.plugin.task.test_operator import run

ASK = """
    import threading, time
    from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from airflow_hitl_review.server.db import auth, readable_dags

    class Remote(SimpleAuthManager):
        # Answers slowly, as over a network; some DAGs are closed.
        def __init__(self):
            self.asked, self.batches, self.closed = [], 0, set()
            self.now, self.most, self.lock = 0, 0, threading.Lock()

        def is_authorized_dag(self, *, method, user, access_entity=None, details=None):
            with self.lock:
                self.asked.append((method, access_entity.name, details.id))
                self.now += 1
                self.most = max(self.most, self.now)
            time.sleep(0.03)
            with self.lock:
                self.now -= 1
            return details.id not in self.closed

    class Batched(Remote):
        def batch_is_authorized_dag(self, requests, *, user):
            self.batches += 1
            time.sleep(0.03)
            return not any(request["details"].id in self.closed for request in requests)

    dags = [f"dag {number}" for number in range(100)]
    user = SimpleAuthManagerUser(username="ann", role="viewer", teams=[])
    clock = [1000.0]

    def readable(wanted=dags, who=user):
        return known.of(None, who, wanted)  # without teams, nothing is read of the database

    manager = KIND()
    auth.get_auth_manager = lambda: manager
    known = readable_dags.PermittedDags("GET", lambda: clock[0])
"""


def test_auth_manager_is_asked_concurrently() -> None:
    run(
        ASK.replace("KIND", "Remote")
        + """
    manager.closed = {"dag 7"}
    assert readable() == [dag for dag in dags if dag != "dag 7"]  # in their order
    assert sorted(manager.asked) == sorted(("GET", "HITL_DETAIL", dag) for dag in dags)
    assert 16 < manager.most <= 200, manager.most
    """
    )


def test_permissions_are_cached_per_user_for_a_limited_time() -> None:
    run(
        ASK.replace("KIND", "Remote")
        + """
    readable()
    assert readable(dags[:1]) == dags[:1]
    assert readable(dags[3:5]) == dags[3:5]
    assert len(manager.asked) == 100
    readable([*dags[:2], "new"])
    assert len(manager.asked) == 101  # only what is not known yet
    readable(dags[:3], SimpleAuthManagerUser(username="bob", role="viewer", teams=[]))
    assert len(manager.asked) == 104
    manager.closed = set(dags)
    assert not auth.may(user, "PUT", dags[0], None)  # deciding: at once
    assert readable(dags[:1]) == dags[:1]
    clock[0] += readable_dags.REMEMBERED_SECONDS
    assert readable(dags[:1]) == []
    assert readable_dags.REMEMBERED_SECONDS <= 30
    readable_dags.MAX_REMEMBERED = 150
    known = readable_dags.PermittedDags("GET")
    readable(dags)
    readable([f"other {number}" for number in range(100)])
    assert len(known._known) <= 150
    """
    )


@pytest.mark.parametrize(("closed", "questions"), [(set(), 0), ({"dag 7"}, 100)])
def test_auth_manager_with_batches_is_asked_in_one_batch(closed: set[str], questions: int) -> None:
    run(
        ASK.replace("KIND", "Batched")
        + f"""
    manager.closed = {closed!r}
    assert readable() == [dag for dag in dags if dag not in manager.closed]
    assert (manager.batches, len(manager.asked)) == (1, {questions})
    readable(dags)
    assert (manager.batches, len(manager.asked)) == (1, {questions})
    """
    )


def test_fab_users_are_not_passed_to_other_threads() -> None:
    run(
        ASK.replace("KIND", "Remote")
        + """
    user._sa_instance_state = object()
    assert readable(dags[:5]) == dags[:5]
    assert manager.most == 1
    """
    )

"""The cluster policy that has this project's operator in the place of the AI provider's."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.compatibility.conftest import need_python
from tests.compatibility.environments import VERSIONS, Version, environment

pytestmark = [pytest.mark.live, pytest.mark.timeout(300)]

DAG = """
from airflow.providers.common.ai.operators.agent import AgentOperator
from airflow.sdk import DAG, task

class Subclass(AgentOperator):
    pass

given = {"llm_conn_id": "x", "enable_hitl_review": True}
with DAG("agents", schedule=None):
    AgentOperator(task_id="plain", prompt="p", **given)
    AgentOperator.partial(task_id="mapped", **given).expand(prompt=["a", "b"])
    Subclass(task_id="subclass", prompt="p", **given)

    @task.agent(**given)
    def decorated(word):
        return word

    decorated("x")
    decorated.override(task_id="decorated_mapped").expand(word=["x", "y"])

    @task
    def other():
        pass

    other()
"""

LOAD = """
import json, sys
try:
    from airflow.dag_processing.dagbag import DagBag
except ImportError:
    from airflow.models.dagbag import DagBag
bag = DagBag(sys.argv[1])
assert not bag.import_errors, bag.import_errors
(dag,) = bag.dags.values()
classes = {t.task_id: t.operator_class if t.is_mapped else type(t) for t in dag.tasks}
made = dag.get_task("mapped").unmap({"prompt": "a"})
print(json.dumps([
    {name: [c.__module__, c.__name__] for name, c in classes.items()},
    [type(made).__module__, getattr(made, "hitl_wait", None)],
    dag.get_task("decorated").operator_name,
]))
"""


@pytest.mark.parametrize(
    "version", [v for v in VERSIONS if v.airflow in ("3.1.8", "3.3.2")], ids=lambda version: version.name
)
def test_it_takes_their_place(version: Version, tmp_path: Path) -> None:
    need_python(version)
    (tmp_path / "agents.py").write_text(DAG)
    python = environment(version) / "python"

    def load(wanted: str) -> tuple[dict[str, list[str]], list[str | None], str]:
        done = subprocess.run(
            [str(python), "-c", LOAD, str(tmp_path / "agents.py")],
            env=os.environ
            | {"AIRFLOW_HOME": str(tmp_path / "home"), "AIRFLOW__HITL_REVIEW__REPLACE_AGENT_OPERATOR": wanted},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        classes, made, name = json.loads(done.stdout.splitlines()[-1])
        return classes, made, name

    replaced, made, name = load("True")
    ours = "airflow_hitl_review.task.agent"
    assert {task_id for task_id, (module, _) in replaced.items() if module == ours} == {
        "plain",
        "mapped",
        "decorated",
        "decorated_mapped",
    }
    assert made == [ours, "park"]
    assert name == "@task.agent"
    left, made, name = load("False")
    assert not any(module == ours for module, _ in left.values())
    assert made[1] is None

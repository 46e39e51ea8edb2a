"""The button on a task instance's page that opens its review."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
from airflow.sdk import BaseOperatorLink

from airflow_hitl_review.core.airflow_sdk import site
from airflow_hitl_review.core.task_key import TaskKey

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey


@attrs.define()
class HITLReviewLink(BaseOperatorLink):
    """Opens the review's page.

    It does not open the tab in Airflow: from another page, Airflow 3.3 would open the task's logs instead, since it
    asks whether there is a review only after it has decided that there is none.

    ``HITLReviewOperator`` has it. Your own operators that use ``HITLReviewMixin`` list it themselves, beside
    their other links::

        operator_extra_links = (HITLReviewLink(),)
    """

    @property
    def name(self) -> str:
        """Label of the button."""
        return "Review"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Path of the page on this Airflow; empty if the operator's review is switched off."""
        is_reviewed = getattr(operator, "enable_hitl_review", True) or getattr(operator, "_hitl_is_open", False)
        if not is_reviewed:
            return ""
        index = -1 if ti_key.map_index is None else ti_key.map_index
        key = TaskKey(ti_key.dag_id, ti_key.run_id, ti_key.task_id, index)
        return site().chat_path(key)


def push_links(operator: Any, ti: Any) -> None:
    """Show the operator's button now, if it has one: Airflow does so only when the task's process ends."""
    for link in getattr(operator, "operator_extra_links", ()):
        if isinstance(link, HITLReviewLink):
            ti.xcom_push(key=link.xcom_key, value=link.get_link(operator, ti_key=ti))

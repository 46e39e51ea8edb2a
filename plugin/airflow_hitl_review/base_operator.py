"""What operators with a review have in common: their further arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from airflow.sdk import BaseOperator

from airflow_hitl_review.callbacks import GivenCallbacks
from airflow_hitl_review.endpoints import Webhook
from airflow_hitl_review.mixin import HITLReviewMixin
from airflow_hitl_review.operator_link import HITLReviewLink

REVIEW_TEMPLATE_FIELDS = ("reviewers", "webhooks", "webhook_url")
"""Those of the arguments that are templates; operators add them to their ``template_fields``."""


class HITLReviewBaseOperator(HITLReviewMixin, BaseOperator):
    """The arguments that say how a review waits and who hears of it; for operators to inherit from, first.

    Args:
        hitl_wait: ``"park"`` waits without a worker slot, ``"poll"`` with one.
        reviewers: ids of the only people who may decide, see ``HITLReviewMixin``; a template, or a list of them.
        webhooks: URLs, connection ids, and ``Webhook`` objects; a template for the texts among them.
        webhook_url: one more endpoint, given as a plain URL; a template.
        on_output_ready_callback: called when an output waits for a review, see ``HITLReviewMixin``.
        on_finalized_callback: called when the review has ended.
        notifiers: called when an output waits for a review.
        on_regenerate_error: ``"return"`` or ``"fail"``, see ``HITLReviewMixin``.
    """

    operator_extra_links = (HITLReviewLink(),)

    def __init__(
        self,
        *,
        hitl_wait: Literal["park", "poll"] = "park",
        reviewers: Sequence[str] | str = (),
        webhooks: Sequence[str | Webhook] | str | Webhook = (),
        webhook_url: str | None = None,
        on_output_ready_callback: GivenCallbacks = None,
        on_finalized_callback: GivenCallbacks = None,
        notifiers: GivenCallbacks = None,
        on_regenerate_error: Literal["return", "fail"] = "return",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.hitl_wait = hitl_wait
        self.reviewers = reviewers
        self.webhooks = webhooks
        self.webhook_url = webhook_url
        self.on_output_ready_callback = on_output_ready_callback
        self.on_finalized_callback = on_finalized_callback
        self.notifiers = notifiers
        self.on_regenerate_error = on_regenerate_error

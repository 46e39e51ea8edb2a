"""The settings of a review, and which values are valid, before and after templates are rendered."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Literal

from airflow_hitl_review.core.schema import OnReject, OnTimeout
from airflow_hitl_review.core.webhook_endpoints import Webhook, as_webhooks, is_template
from airflow_hitl_review.task.callbacks import Callbacks, GivenCallbacks

MAX_TIMEOUT = timedelta(days=36_525)
"""A hundred years: dates much later cannot be represented."""

_DISPLAY = re.compile(r"(markdown|code(:[\w+#.-]{1,40})?|json|table|html|text)")
"""What ``hitl_rendering.display`` knows; a worker does without that."""


class ReviewSettings:
    """The settings of a review: attributes of ``HITLReviewMixin``, which operators set.

    Attributes:
        enable_hitl_review: for operators that offer the review as an option; not read here.
        prompt: tells the reviewer what the output is for.
        max_hitl_iterations: outputs that may be shown in all, at least 1.
        hitl_timeout: time for the whole review, including all rounds; None for no limit.
        hitl_poll_interval: seconds between two looks, when polling.
        hitl_wait: ``"park"`` or ``"poll"`` (holds the worker slot).
        reviewers: ids, from Airflow's auth manager, of the only people who may decide; they also need the right to
            decide reviews of the DAG. If empty, everybody with that right may decide. Needs ``hitl_wait="park"``:
            the API server tells only a resumed task who has decided. A template field of our operators: a list, or
            a template that gives one, or one id.
        display_as: how reviewers see the outputs: ``"markdown"``, ``"code"``, ``"code:python"`` (or another
            language), ``"json"``, ``"table"`` (a list of objects), ``"html"`` (its source) or ``"text"``; None for
            what an output looks like. Reviewers can choose another view.
        output_type: type of the output, any that pydantic can write and read as JSON; None for no declared type.
            Reviewers get a form with a field for each part, and an edit that does not fit the type is refused. The
            AI provider's operators take pydantic-ai's ``output_type``.
        allow_modifications: whether reviewers may edit the output, and approve the edit or ask for changes to it.
        review_when: a function of the first output; if it returns False, that output is approved without a review.
            If it fails, the output is reviewed. Called by the worker.
        on_reject: ``"fail"`` fails the task, without retries; ``"skip"`` skips it, and by their trigger rules the
            tasks that depend on it.
        on_hitl_timeout: ``"fail"`` fails the task when ``hitl_timeout`` is over; ``"approve"`` and ``"reject"`` end
            the review so, and record that nobody decided.
        webhooks: endpoints that hear of the review: URLs, connection ids and ``Webhook`` objects.
        webhook_url: one more endpoint, given as a plain URL.
        on_output_ready_callback: a function of the context, a ``BaseNotifier``, or a list of them; called when
            an output waits for a review, in each round. The context then has ``hitl_review``, see ``Callbacks``.
        on_finalized_callback: as above, called by the worker when the review has ended; not called if the task was
            killed or cleared.
        notifiers: as ``on_output_ready_callback``; Airflow's ``HITLOperator`` uses this name.
        on_regenerate_error: ``"return"`` gives the review back to the reviewer with the error;
            ``"fail"`` fails the task.
    """

    enable_hitl_review: bool = True
    prompt: str = ""
    max_hitl_iterations: int = 5
    hitl_timeout: timedelta | None = None
    hitl_poll_interval: float = 10.0
    hitl_wait: Literal["park", "poll"] = "park"
    reviewers: Sequence[str] | str = ()
    display_as: str | None = None
    output_type: Any = None
    allow_modifications: bool = True
    review_when: Callable[[Any], bool] | None = None
    on_reject: OnReject = "fail"
    on_hitl_timeout: OnTimeout = "fail"
    webhooks: Sequence[str | Webhook] | str | Webhook = ()
    webhook_url: str | None = None
    on_output_ready_callback: GivenCallbacks = None
    on_finalized_callback: GivenCallbacks = None
    notifiers: GivenCallbacks = None
    on_regenerate_error: Literal["return", "fail"] = "return"

    @property
    def _is_reviewed(self) -> bool:
        """Whether anybody reviews the task's outputs."""
        return self.enable_hitl_review

    def check_hitl_settings(self) -> None:
        """Check the attributes above, before templates are rendered; call it in the operator's ``__init__``.

        Raises:
            ValueError: says which one is wrong and what it accepts.
        """
        _check(self)
        rendered = "reviewers" not in getattr(self, "template_fields", ())  # else Airflow renders them later
        _check_reviewers(self.reviewers, self.hitl_wait, rendered=rendered)
        as_webhooks(self.webhooks, self.webhook_url, rendered=False)
        self._callbacks({})

    def check_rendered_hitl_settings(self) -> None:
        """Check them again after templates are rendered; call it before generating the first output costs money.

        Raises:
            ValueError: as above.
        """
        _check(self)
        self.check_reviewers()

    def check_reviewers(self) -> None:
        """Check the reviewers, once their template is rendered, and make them a list.

        Raises:
            ValueError: they are no list of ids.
        """
        self.reviewers = _check_reviewers(self.reviewers, self.hitl_wait, rendered=True)

    def _take_what_the_provider_takes(self) -> None:
        """Accept zeros as the AI provider does; operators may skip ``check_hitl_settings``, which refuses them."""
        self.hitl_timeout = self.hitl_timeout or None
        if self.max_hitl_iterations == 0:
            self.max_hitl_iterations = 1
        if self.hitl_poll_interval == 0:
            self.hitl_poll_interval = 0.1

    def _callbacks(self, context: Any) -> Callbacks:
        return Callbacks(
            context,
            on_output_ready=self.on_output_ready_callback,
            on_finalized=self.on_finalized_callback,
            notifiers=self.notifiers,
        )


def _check(settings: ReviewSettings) -> None:
    """Check all attributes except callbacks and those with templates.

    Raises:
        ValueError: says which one is wrong and what it accepts.
    """
    rounds, timeout, interval = settings.max_hitl_iterations, settings.hitl_timeout, settings.hitl_poll_interval
    if isinstance(rounds, bool) or not (isinstance(rounds, int) and rounds >= 1):
        raise ValueError(f"max_hitl_iterations must be a whole number, at least 1, not {rounds!r}.")
    if timeout is not None and not (isinstance(timeout, timedelta) and timedelta(0) < timeout <= MAX_TIMEOUT):
        raise ValueError(
            "hitl_timeout must be a positive timedelta of at most a hundred years, or None for no limit, "
            f"not {timeout!r}."
        )
    if not interval > 0:
        raise ValueError(f"hitl_poll_interval must be a positive number of seconds, not {interval!r}.")
    _check_choice("hitl_wait", settings.hitl_wait, "park", "poll")
    if settings.display_as is not None and not _DISPLAY.fullmatch(str(settings.display_as)):
        raise ValueError(
            "display_as must be 'markdown', 'code', 'code:' and a language such as 'code:python', 'json', 'table', "
            f"'html', 'text', or None, not {settings.display_as!r}."
        )
    _check_choice("on_regenerate_error", settings.on_regenerate_error, "return", "fail")
    _check_choice("on_reject", settings.on_reject, "fail", "skip")
    _check_choice("on_hitl_timeout", settings.on_hitl_timeout, "fail", "approve", "reject")
    if settings.on_hitl_timeout != "fail" and timeout is None:
        raise ValueError(f"on_hitl_timeout={settings.on_hitl_timeout!r} needs hitl_timeout: when should that be?")
    if settings.on_hitl_timeout != "fail" and not takes_parked(settings):
        raise ValueError("on_hitl_timeout needs resume_hitl_review(context, event=None, *, parked=None).")
    if settings.review_when is not None and not callable(settings.review_when):
        raise ValueError(f"review_when must be a function of the output, not {settings.review_when!r}.")


def takes_parked(operator: Any) -> bool:
    """Whether the operator can be given what it parked with; it may have a ``resume_hitl_review`` of its own."""
    resume = getattr(operator, "resume_hitl_review", None)
    try:
        return resume is None or inspect.signature(resume).bind({}, {}, parked={}) is not None
    except TypeError:
        return False


def _check_choice(name: str, given: object, *choices: str) -> None:
    if given not in choices:
        *others, last = map(repr, choices)
        raise ValueError(f"{name} must be {', '.join(others)} or {last}, not {given!r}.")


def _check_reviewers(given: Any, hitl_wait: str, *, rendered: bool) -> Sequence[str] | str:
    """The reviewers as a list of ids, or unchanged if they are not ``rendered`` yet.

    A template renders to a list if the DAG renders templates as native objects, else to its text; or to one id.

    Raises:
        ValueError: they are not ids, or a template among them was not rendered.
    """
    found: Any = given
    if isinstance(given, str):
        if not rendered and is_template(given):
            return given
        found = _listed(given) if rendered else None
    if not isinstance(found, list | tuple | set) or not all(isinstance(i, str) and i.strip() for i in found):
        raise ValueError(f"reviewers must be a list of user ids, or a template that gives one, not {given!r}.")
    if rendered and any(is_template(one) for one in found):
        raise ValueError(
            f"reviewers still holds a template: {given!r}. Airflow renders only the fields in "
            "template_fields: add 'reviewers' to those of your operator."
        )
    if found and hitl_wait != "park":
        raise ValueError("reviewers needs hitl_wait='park': a task that polls cannot know who has decided.")
    return list(found) if rendered else given


def _listed(text: str) -> Any:
    """Parse a rendered template: the text of a list, or one id."""
    if not text.strip().startswith(("[", "(")):
        return [text]
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError):
        return None

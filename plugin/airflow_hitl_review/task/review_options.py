"""Validates the attributes of ``HITLReviewMixin``, before and after templates are rendered."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from airflow_hitl_review.core.webhook_endpoints import is_template

MAX_TIMEOUT = timedelta(days=36_525)
"""A hundred years: dates much later cannot be represented."""

_DISPLAY = re.compile(r"(markdown|code(:[\w+#.-]{1,40})?|json|table|html|text)")
"""What ``hitl_rendering.display`` knows; a worker does without that."""


def check(mixin: Any) -> None:
    """Check all attributes except callbacks and those with templates.

    Raises:
        ValueError: says which one is wrong and what it accepts.
    """
    rounds, timeout, interval = mixin.max_hitl_iterations, mixin.hitl_timeout, mixin.hitl_poll_interval
    if isinstance(rounds, bool) or not (isinstance(rounds, int) and rounds >= 1):
        raise ValueError(f"max_hitl_iterations must be a whole number, at least 1, not {rounds!r}.")
    if timeout is not None and not (isinstance(timeout, timedelta) and timedelta(0) < timeout <= MAX_TIMEOUT):
        raise ValueError(
            "hitl_timeout must be a positive timedelta of at most a hundred years, or None for no limit, "
            f"not {timeout!r}."
        )
    if not interval > 0:
        raise ValueError(f"hitl_poll_interval must be a positive number of seconds, not {interval!r}.")
    if mixin.hitl_wait not in ("park", "poll"):
        raise ValueError(f"hitl_wait must be 'park' or 'poll', not {mixin.hitl_wait!r}.")
    if mixin.display_as is not None and not _DISPLAY.fullmatch(str(mixin.display_as)):
        raise ValueError(
            "display_as must be 'markdown', 'code', 'code:' and a language such as 'code:python', 'json', 'table', "
            f"'html', 'text', or None, not {mixin.display_as!r}."
        )
    if mixin.on_regenerate_error not in ("return", "fail"):
        raise ValueError(f"on_regenerate_error must be 'return' or 'fail', not {mixin.on_regenerate_error!r}.")


def check_reviewers(given: Any, hitl_wait: str, *, rendered: bool) -> Sequence[str] | str:
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

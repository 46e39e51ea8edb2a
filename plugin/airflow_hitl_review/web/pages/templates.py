"""HTML from templates. All values are escaped, except the HTML that ``hitl_rendering`` made."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from airflow_hitl_review.core.conversation import ConversationEntry
from airflow_hitl_review.core.review import ReviewSummary
from hitl_rendering import render
from hitl_rendering.deciders import decider_words, turn_person, turn_words
from hitl_rendering.output_box import change_box, edit_box, output_box, output_fold
from hitl_rendering.plain_text import isolated


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("airflow_hitl_review", "web/pages/templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "decider": decider,
        "filled": lambda words, *values: safe(words).format(*values),
        "moment": moment,
        "person": lambda turn: safe(turn_person(turn, isolated)),
        "rendered": safe,
        "short_run": render.short_run,
        "who_said": who_said,
    }
    for made in (change_box, edit_box, output_box, output_fold):
        environment.globals[made.__name__] = _safely(made)
    return environment


def moment(at: datetime) -> Markup:
    """A UTC time as HTML, such as ``23 Nov 14:05 UTC``; the page's script converts it to the reader's time zone."""
    utc = at.astimezone(timezone.utc)
    return Markup('<time datetime="{}">{} {} UTC</time>').format(utc.isoformat(), utc.day, f"{utc:%b %H:%M}")


def decider(review: ReviewSummary) -> Markup:
    """Who decided a review, or why it ended without anybody; empty if it waits."""
    return safe(decider_words(review.decided_by, review.acting_for, review.channel, isolated))


def who_said(turn: ConversationEntry) -> Markup:
    """Who said a turn, and about which output."""
    return safe(turn_words(turn, isolated))


def fill(template: str, /, **values: Any) -> str:
    """Render a template."""
    return _environment().get_template(template).render(**values)


def _safely(make: Callable[..., str]) -> Callable[..., Markup]:
    return lambda *values, **more: safe(make(*values, **more))


def safe(html: str) -> Markup:
    """Mark the output of ``hitl_rendering`` as HTML."""
    return Markup(html)  # noqa: S704 - hitl_rendering escapes and sanitizes it

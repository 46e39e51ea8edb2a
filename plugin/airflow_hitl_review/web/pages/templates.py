"""HTML from the templates. What stands in them is escaped, but for what ``hitl_rendering`` made."""

from __future__ import annotations

from datetime import datetime, timezone
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from hitl_rendering import render


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("airflow_hitl_review", "web/pages/templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["moment"] = moment
    environment.filters["short_run"] = render.short_run
    return environment


def moment(at: datetime) -> Markup:
    """A time in UTC as HTML, such as ``23 Nov 14:05 UTC``; the page's script turns it into the reader's own."""
    utc = at.astimezone(timezone.utc)
    return Markup('<time datetime="{}">{} {} UTC</time>').format(utc.isoformat(), utc.day, f"{utc:%b %H:%M}")


def fill(template: str, /, **values: Any) -> str:
    """Fill a template."""
    return _environment().get_template(template).render(**values)


def safe(html: str) -> Markup:
    """Mark as HTML what ``hitl_rendering`` made."""
    return Markup(html)  # noqa: S704 - its makers escape and clean

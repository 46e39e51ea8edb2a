"""HTML from templates. All values are escaped, except the HTML that ``hitl_rendering`` made."""

from __future__ import annotations

from datetime import datetime, timezone
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from hitl_rendering import render
from hitl_rendering.output_box import change_box, output_box


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
    environment.filters["rendered"] = safe
    environment.globals["output_box"] = lambda *values: safe(output_box(*values))
    environment.globals["change_box"] = lambda *values, **more: safe(change_box(*values, **more))
    environment.filters["short_run"] = render.short_run
    return environment


def moment(at: datetime) -> Markup:
    """A UTC time as HTML, such as ``23 Nov 14:05 UTC``; the page's script converts it to the reader's time zone."""
    utc = at.astimezone(timezone.utc)
    return Markup('<time datetime="{}">{} {} UTC</time>').format(utc.isoformat(), utc.day, f"{utc:%b %H:%M}")


def fill(template: str, /, **values: Any) -> str:
    """Render a template."""
    return _environment().get_template(template).render(**values)


def safe(html: str) -> Markup:
    """Mark the output of ``hitl_rendering`` as HTML."""
    return Markup(html)  # noqa: S704 - hitl_rendering escapes and sanitizes it

"""Coexistence with Airflow's AI provider: where its page is, and what we log about it. No Airflow imports.

Its plugin also mounts an app at ``/hitl-review``; ours answers there, see ``plugin``. Its REST API is a subset of
ours, and we serve the script of its React page in case somebody opens it.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from airflow_hitl_review.core.site import URL_PREFIX, Site

_PLUGINS = "airflow.providers.common.ai.plugins"


def bundle_folder() -> Path | None:
    """Folder with the provider's built React page; None if the provider or its page is not installed."""
    try:
        spec = importlib.util.find_spec(_PLUGINS)
    except ModuleNotFoundError:  # a parent package is missing
        return None
    for location in (spec.submodule_search_locations or ()) if spec is not None else ():
        folder = Path(location) / "www" / "dist"
        if folder.is_dir():
            return folder
    return None


def what_happens(site: Site, *, review_tab: bool) -> str:
    """Startup log message of the API server: which app answers at which path."""
    ours = f"hitl-notebook answers at {site.prefix}."
    if bundle_folder() is None:
        return ours
    if site.is_moved:
        return f"{ours} The AI provider's own app answers at {URL_PREFIX} and does not know about parked tasks."
    page = "hitl-notebook replaces its tab in Airflow" if review_tab else "Its tab in Airflow stays"
    return (
        f"{ours} The AI provider is also installed, with an app at the same path; hitl-notebook answers "
        f"its requests. {page}. To move hitl-notebook to another path, set [hitl_review] url_prefix."
    )

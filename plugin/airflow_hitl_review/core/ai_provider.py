"""Where Airflow's AI provider is installed, too: what of it we serve, and what we say about it. No Airflow imports.

Its plugin mounts an app at ``/hitl-review`` as well, and of two apps at one path the first answers. Airflow loads
the plugins of entry points, which ours is, before those of providers; so ours does. Its REST API is a part of ours,
and its React page, should anybody open it, gets its script from us.
"""

from __future__ import annotations

import importlib.util
import mimetypes
from pathlib import Path

from starlette.staticfiles import StaticFiles

from airflow_hitl_review.core.site import URL_PREFIX, Site

_PLUGINS = "airflow.providers.common.ai.plugins"


def bundle_folder() -> Path | None:
    """Folder with the provider's built React page; None where the provider, or its page, is not installed."""
    try:
        spec = importlib.util.find_spec(_PLUGINS)
    except ModuleNotFoundError:  # of a package further up
        return None
    for location in (spec.submodule_search_locations or ()) if spec is not None else ():
        folder = Path(location) / "www" / "dist"
        if folder.is_dir():
            return folder
    return None


def bundle_files() -> StaticFiles | None:
    """The app that serves the provider's page, as its own plugin does at ``/hitl-review/static``."""
    folder = bundle_folder()
    if folder is None:
        return None
    # A browser refuses a script with another type, and Python does not know this ending.
    mimetypes.add_type("application/javascript", ".cjs")
    return StaticFiles(directory=folder)


def what_happens(site: Site, *, review_tab: bool) -> str:
    """What the API server logs when it starts: who answers where."""
    ours = f"hitl-notebook answers at {site.prefix}."
    if bundle_folder() is None:
        return ours
    if site.is_moved:
        return f"{ours} The AI provider's own app answers at {URL_PREFIX}, and does not know of parked tasks."
    page = "Its tab in Airflow is replaced by ours" if review_tab else "Its tab in Airflow stays"
    return (
        f"{ours} The AI provider is installed, too, with an app at the same path: its requests are answered by "
        f"hitl-notebook. {page}. Set [hitl_review] url_prefix to have hitl-notebook elsewhere."
    )

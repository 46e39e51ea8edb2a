"""Style sheets, scripts and icons of the pages, and the AI provider's page: no secrets, so no authentication.

What outputs look like, and what their readers can do, comes from ``hitl_rendering``.
"""

from __future__ import annotations

import mimetypes
from pathlib import Path

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from airflow_hitl_review.core.ai_provider import bundle_folder

FOLDER = Path(__file__).parent / "assets"


class _Assets(StaticFiles):
    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        # Revalidated on each use, mostly with a 304: modules import each other by plain names, so a version in
        # the URL would apply only to the first of them.
        response.headers["Cache-Control"] = "no-cache"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response


def files() -> StaticFiles:
    """The app that serves them."""
    return _Assets(directory=FOLDER, packages=[("hitl_rendering", "front_end")])


def provider_files() -> StaticFiles | None:
    """An app that serves the provider's page, as its own plugin does at ``/hitl-review/static``."""
    folder = bundle_folder()
    if folder is None:
        return None
    # Browsers refuse a script with another MIME type, and Python does not know this file extension.
    mimetypes.add_type("application/javascript", ".cjs")
    return StaticFiles(directory=folder)

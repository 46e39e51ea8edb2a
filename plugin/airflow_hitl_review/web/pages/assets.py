"""Style sheet, scripts and icons of the pages. They have no secrets, so they need no authentication."""

from __future__ import annotations

from pathlib import Path

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

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
    return _Assets(directory=FOLDER)

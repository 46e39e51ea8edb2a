"""The oldest versions that our requirements allow, installed and used: the panel, and a receiver.

Of Airflow's extra they are used by ``tests/compatibility``, beside the Airflow they came with.
"""

from __future__ import annotations

import importlib.metadata
import re
import sys
from pathlib import Path

from release.environments import Environment, install

EXTRAS = ("notebook", "jupyterlab", "receiver")

NEWEST_PYTHON = (3, 12)
"""The oldest versions have no wheels for a newer one."""

USE = """
import asyncio, os, sys, warnings
from typing import Annotated

import hitl_notebook, hitl_rendering, hitl_webhooks
from fastapi import Depends, FastAPI
from hitl_notebook import ReviewPanel
from hitl_webhooks.send.delivery import attempt, open_client
from hitl_webhooks.fastapi import verified_event

secret = hitl_webhooks.generate_secret()
app = FastAPI()


@app.post("/webhooks", status_code=204)
def receive(event: "Annotated[hitl_webhooks.ReceivedEvent, Depends(verified_event(secret))]") -> "None":
    pass


async def post():
    async with open_client(block_private_addresses=True) as client:
        endpoint = hitl_webhooks.Endpoint("e", "http://127.0.0.1:9/", (secret,))
        body = b'{"type": "t", "timestamp": "t", "data": {}}'
        return (await attempt(client, endpoint, "id", body)).error


assert asyncio.run(post()) == "PrivateAddressError: 127.0.0.1 is not a public address"
panel = ReviewPanel("http://127.0.0.1:9", username="ada", password="none", refresh_seconds=0)
warnings.filterwarnings("ignore", "Traits should be given as instances")  # ipylab's
panel.dock()
panel.close()
print("used")
"""


def check_lowest(wheel: Path, folder: Path) -> str | None:
    """Install them, and use them with each warning as an error; None if this Python is too new for that.

    Returns:
        What was used, as names and versions.

    Raises:
        CheckError: they cannot be installed, or do not do.
    """
    if sys.version_info[:2] > NEWEST_PYTHON:
        return None
    environment = install(wheel, ",".join(EXTRAS), folder, lowest=True)
    environment.python("-W", "error", "-c", USE)
    return ", ".join(_versions(environment))


def _versions(environment: Environment) -> list[str]:
    wanted = importlib.metadata.requires("hitl-notebook") or []
    names = sorted({name for name in map(_name_of, wanted) if name})
    asked = f"import importlib.metadata as m\nfor n in {names!r}: print(n, m.version(n))"
    return environment.python("-c", asked).splitlines()


def _name_of(requirement: str) -> str | None:
    """What is required by these extras, or without any; None for a requirement of another one."""
    extra = re.search(r"extra == ['\"](\w+)['\"]", requirement)
    name = re.match(r"[\w.-]+", requirement)
    return name.group() if name and (extra is None or extra.group(1) in EXTRAS) else None

"""Which certificate authorities are trusted."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

import httpx

from hitl_webhooks.errors import UnusableEnvironmentError

BUNDLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Environment variables, in this order, the first that is set counts: those of OpenSSL, and of ``requests``."""


def ssl_context() -> ssl.SSLContext:
    """The context for ``https``: with the authorities that the environment names, or those of certifi.

    Raises:
        UnusableEnvironmentError: what a variable names cannot be read; says which one, and why.
    """
    name, path = next(((name, path) for name in BUNDLES if (path := os.environ.get(name))), ("", ""))
    if not path:
        return httpx.create_ssl_context()
    try:
        places = path.split(os.pathsep) if name == "SSL_CERT_DIR" else [path]  # OpenSSL takes a list of folders
        if any(Path(place).is_dir() for place in places):
            return ssl.create_default_context(capath=path)
        return ssl.create_default_context(cafile=path)
    except OSError as error:  # an SSLError is one
        raise UnusableEnvironmentError(
            f"{name} names {path}, which cannot be read as certificates ({type(error).__name__}). Correct the "
            "variable where Airflow's workers and API server run, or unset it."
        ) from None

"""Selects the trusted certificate authorities."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

import httpx

from hitl_webhooks.errors import UnusableEnvironmentError

BUNDLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Environment variables, the first one set is used: those of OpenSSL, and of ``requests``."""


def ssl_context() -> ssl.SSLContext:
    """Return the TLS context, with the CA bundle from the environment or that of certifi.

    Raises:
        UnusableEnvironmentError: the bundle cannot be read; says which variable, and why.
    """
    name, path = next(((name, path) for name in BUNDLES if (path := os.environ.get(name))), ("", ""))
    if not path:
        return httpx.create_ssl_context()
    try:
        places = path.split(os.pathsep) if name == "SSL_CERT_DIR" else [path]  # OpenSSL accepts a list of folders
        if any(Path(place).is_dir() for place in places):
            return ssl.create_default_context(capath=path)
        return ssl.create_default_context(cafile=path)
    except OSError as error:  # includes SSLError
        raise UnusableEnvironmentError(
            f"{name} names {path}, which cannot be read as certificates ({type(error).__name__}). Correct the "
            "variable where Airflow's workers and API server run, or unset it."
        ) from None

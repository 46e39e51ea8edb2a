"""Sends one HTTP request, and explains connection errors."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests

from hitl_notebook.errors import ConnectionFailedError

_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""Environment variables that name a CA bundle; the first one set is used: those of ``requests``, and those of
OpenSSL, which many other Python libraries use."""

_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "record layer failure")
"""OpenSSL's errors for a response that is not TLS; newer versions give the second, as text if unknown to Python."""

_NOT_TRUSTED = ("CERTIFICATE_VERIFY_FAILED", "certificate verify failed", "doesn't match", "Hostname mismatch")


def send(session: requests.Session, method: str, url: str, **kwargs: Any) -> requests.Response:
    """Send a request without following redirects.

    Args:
        session: session to use.
        method: HTTP method.
        url: target URL.
        **kwargs: passed to ``requests``.

    Raises:
        ConnectionFailedError: there was no response; says why, without the URL's path or any secret.
    """
    try:
        return session.request(method, url, allow_redirects=False, verify=_authorities(), **kwargs)
    except (OSError, ValueError) as error:
        # Errors of requests itself; a missing certificate file; and a redirect to an invalid URL.
        # Not `from error`: a traceback with local variables would show the request, and so the token.
        parts = urlsplit(url)
        failed = ConnectionFailedError(f"No answer from {parts.scheme}://{parts.netloc}: {reason_of(error)}.")
        failed.is_broken_connection = isinstance(error, requests.ConnectionError) and not (
            isinstance(error, requests.Timeout) or any(sign in str(error) for sign in (*_NO_TLS, *_NOT_TRUSTED))
        )
        raise failed from None


def _authorities() -> str | bool:
    """Return the CA bundle (file or folder) named by the environment; True for that of requests."""
    path = next((path for name in _BUNDLES if (path := os.environ.get(name))), "")
    if not path or Path(path).exists():
        return path or True
    return next((folder for folder in path.split(os.pathsep) if folder and Path(folder).is_dir()), path)


def reason_of(error: Exception) -> str:
    """Explain why there was no response, without the URL or any secret that ``requests`` includes."""
    if isinstance(error, requests.Timeout):
        return "it took too long"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy in HTTPS_PROXY or HTTP_PROXY did not connect; name hosts that need no proxy in NO_PROXY"
    if isinstance(error, requests.exceptions.SSLError):
        if any(sign in str(error) for sign in _NO_TLS):
            return "it seems to speak http, not https"
        if "certificate has expired" in str(error):
            return "its certificate has expired"
        if "NO_CERTIFICATE" in str(error) and (name := _bundle()):
            return f"the file in {name} has no certificate"
        if any(sign in str(error) for sign in _NOT_TRUSTED):
            return (
                "its certificate is not trusted here, or belongs to another host. If a private authority issued "
                "it, set REQUESTS_CA_BUNDLE or SSL_CERT_FILE to the authority's file before the kernel starts"
            )
        return "the connection could not be secured (TLS)"
    if isinstance(error, requests.ConnectionError):
        return "check that the API server is running and the address is right"
    if isinstance(error, requests.RequestException):
        return type(error).__name__
    if isinstance(error, ValueError):
        return "it redirects to an invalid URL"
    name = _bundle()
    return f"the file in {name} cannot be read as certificates ({type(error).__name__})" if name else "no network"


def _bundle() -> str:
    return next((name for name in _BUNDLES if os.environ.get(name)), "")


def who_answered(answer: requests.Response) -> str | None:
    """Describe the responder if it was not Airflow (a proxy or JupyterLab, for example); None if it may be."""
    kind = answer.headers.get("Content-Type", "")
    server = answer.headers.get("Server", "")
    if "TornadoServer" in server or "_xsrf" in answer.headers.get("Set-Cookie", ""):
        return "That is a Jupyter server, not Airflow's API server, which often uses port 8080"
    if answer.is_redirect or answer.is_permanent_redirect:
        return _redirected(answer)
    if "html" in kind and answer.status_code in (401, 403, 407) and answer.content:
        named = f" ({server})" if server and "uvicorn" not in server else ""
        return (
            f"A web page came with status {answer.status_code}{named}: something in front of Airflow "
            "answered, such as a proxy or a gateway"
        )
    return None


def _redirected(answer: requests.Response) -> str:
    url = answer.url or ""
    try:
        target = urlsplit(urljoin(url, answer.headers.get("Location", "")))
        here = urlsplit(url)
    except ValueError:
        return "It redirects to an invalid URL"
    whole = f"{target.scheme}://{target.netloc}{target.path}"
    if target.path == here.path:
        return f"It redirects to {target.scheme}://{target.netloc}: start the address with that"
    if (here.scheme, target.scheme) == ("http", "https") and target.hostname == here.hostname:
        return f"It redirects to {whole}: give the address with https://"
    return (
        f"It redirects to {whole}: perhaps to a single sign-on, which must let API tokens through; or the "
        "address lacks the path under which Airflow is served"
    )

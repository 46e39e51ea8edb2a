"""Reads the settings of ``option_table``, in workers and API servers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from airflow_hitl_review.core.option_table import OPTIONS
from hitl_webhooks import InvalidSecretError, check_secret
from hitl_webhooks.send.schedule import RetrySchedule

log = logging.getLogger(__name__)

T = TypeVar("T")

_YES = {"true", "t", "yes", "y", "on", "1"}
_NO = {"false", "f", "no", "n", "off", "0"}


def reader(conf: Any) -> Callable[[str, str], str]:
    """Return a function that reads a setting of ``[hitl_review]`` or its default; empty counts as not set.

    Args:
        conf: Airflow's configuration; the Task SDK and the server side have different ones.
    """
    return lambda name, default: str(conf.get("hitl_review", name, fallback=default) or default)


@dataclass(frozen=True)
class WebhookSettings:
    """Webhook settings, read once per task or per API server process.

    Attributes:
        url_secrets: signing secrets of endpoints given as a plain URL; two during rotation.
        conn_ids: endpoints that get the events of every review.
        allow_http: permit plain ``http`` to other machines.
        block_private_addresses: refuse to connect to addresses that are not public.
        schedule: when an undelivered event is retried.
        timeout: seconds for one delivery attempt of the API server.
        sweep_seconds: interval at which an API server process checks for due events.
    """

    url_secrets: tuple[str, ...] = field(default=(), repr=False)
    conn_ids: tuple[str, ...] = ()
    allow_http: bool = False
    block_private_addresses: bool = False
    schedule: RetrySchedule = field(default_factory=RetrySchedule)
    timeout: float = field(default_factory=lambda: _default("webhook_timeout", _positive))
    sweep_seconds: float = field(default_factory=lambda: _default("webhook_sweep_interval", _positive))

    @classmethod
    def read(cls, option: Callable[[str, str], str]) -> WebhookSettings:
        """Read the settings.

        An invalid value is logged as an error and replaced by the default, or by a safer value: a typing error in a
        setting must not fail a review.

        Args:
            option: returns a setting of ``[hitl_review]`` by name, or the default.
        """
        url_secrets = tuple(option("webhook_secret", "").split())
        _check_secrets(url_secrets)
        return cls(
            url_secrets=url_secrets,
            conn_ids=tuple(part.strip() for part in option("webhook_conn_ids", "").split(",") if part.strip()),
            allow_http=is_on("webhook_allow_http", option),
            block_private_addresses=_read("webhook_block_private_addresses", option, _boolean, when_wrong=True),
            schedule=_read("webhook_retry_schedule", option, RetrySchedule.parse),
            timeout=seconds("webhook_timeout", option),
            sweep_seconds=seconds("webhook_sweep_interval", option),
        )


def is_on(name: str, option: Callable[[str, str], str]) -> bool:
    """Read a boolean setting; ``option`` is as for ``WebhookSettings``. An invalid value is logged."""
    return _read(name, option, _boolean)


def seconds(name: str, option: Callable[[str, str], str]) -> float:
    """Read a number of seconds; ``option`` is as for ``WebhookSettings``. An invalid value is logged."""
    return _read(name, option, _positive)


def _read(
    name: str, option: Callable[[str, str], str], parse: Callable[[str], T], *, when_wrong: T | None = None
) -> T:
    """Read a setting. An invalid value is logged, and taken as ``when_wrong``, or as the default."""
    default = _default(name, parse)
    text = option(name, "").strip()
    if not text:
        return default
    try:
        return parse(text)
    except ValueError as error:
        taken = default if when_wrong is None else when_wrong
        log.error("Setting [hitl_review] %s is wrong, using %s instead: %s", name, taken, error)
        return taken


def _default(name: str, parse: Callable[[str], T]) -> T:
    return parse(OPTIONS[name].default)


def _check_secrets(secrets: Sequence[str]) -> None:
    """Log an invalid signing secret. It is kept: without it, requests would be sent unsigned."""
    try:
        for secret in secrets:
            check_secret(secret)
    except InvalidSecretError as error:
        log.error("Setting [hitl_review] webhook_secret is wrong, so nothing is sent to plain URLs: %s", error)


def _boolean(text: str) -> bool:
    word = text.strip().lower()
    if word not in _YES | _NO:
        raise ValueError(f"it takes True or False, not {text!r}.")
    return word in _YES


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise ValueError(f"it takes a positive number of seconds, not {text!r}.")
    return number

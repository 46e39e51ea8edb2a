"""The settings of ``[hitl_review]`` that workers read; those of webhooks are the same for API servers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from hitl_webhooks import InvalidSecretError, check_secret
from hitl_webhooks.schedule import RetrySchedule

log = logging.getLogger(__name__)

T = TypeVar("T")

_YES = {"true", "t", "yes", "y", "on", "1"}
_NO = {"false", "f", "no", "n", "off", "0", ""}


def reader(conf: Any) -> Callable[[str, str], str]:
    """What reads a setting of ``[hitl_review]`` by name, or the default; an empty one counts as not set.

    Args:
        conf: Airflow's configuration; that of the task SDK is another one than that of the server side.
    """
    return lambda name, default: str(conf.get("hitl_review", name, fallback=default) or default)


@dataclass(frozen=True)
class WebhookSettings:
    """Settings, read once per task or per API server process.

    Attributes:
        url_secrets: signing secrets of endpoints given as a plain URL; two while one rotates.
        conn_ids: endpoints that hear of every review.
        allow_http: permit plain ``http`` to other machines.
        block_private_addresses: refuse to connect to addresses that are not public.
        schedule: when an undelivered event is tried again.
        timeout: seconds for one attempt of the API server.
        sweep_seconds: time between two looks of an API server process for what is due.
    """

    url_secrets: tuple[str, ...] = field(default=(), repr=False)
    conn_ids: tuple[str, ...] = ()
    allow_http: bool = False
    block_private_addresses: bool = False
    schedule: RetrySchedule = field(default_factory=RetrySchedule)
    timeout: float = 15.0
    sweep_seconds: float = 1.0

    @classmethod
    def read(cls, option: Callable[[str, str], str]) -> WebhookSettings:
        """Read the settings.

        A value that makes no sense is logged as an error, and the default, or what is safer, is taken: a typing
        error in a setting must not fail a review.

        Args:
            option: gives a setting of ``[hitl_review]`` by name, or the default.
        """

        def read(name: str, parse: Callable[[str], T], default: T, when_wrong: T) -> T:
            text = option(name, "").strip()
            return _parsed(name, text, parse, when_wrong) if text else default

        schedule = RetrySchedule()
        url_secrets = tuple(option("webhook_secret", "").split())
        _check_secrets(url_secrets)
        return cls(
            url_secrets=url_secrets,
            conn_ids=tuple(part.strip() for part in option("webhook_conn_ids", "").split(",") if part.strip()),
            allow_http=read("webhook_allow_http", _boolean, False, False),
            block_private_addresses=read("webhook_block_private_addresses", _boolean, False, True),
            schedule=read("webhook_retry_schedule", RetrySchedule.parse, schedule, schedule),
            timeout=read("webhook_timeout", _positive, 15.0, 15.0),
            sweep_seconds=read("webhook_sweep_interval", _positive, 1.0, 1.0),
        )


SWITCHES = {"required_actions": True, "review_tab": True, "replace_agent_operator": False}
"""Settings that are on or off, and what they are if nobody says anything."""


def is_on(name: str, option: Callable[[str, str], str]) -> bool:
    """One of ``SWITCHES``; ``option`` is as for ``WebhookSettings``. One that makes no sense is logged."""
    default = SWITCHES[name]
    return _parsed(name, option(name, str(default)), _boolean, default)


SECONDS = {"park_settle_seconds": 60.0, "wake_sweep_interval": 10.0}
"""Settings that are a number of seconds, of the waker, and what they are if nobody says anything."""


def seconds(name: str, option: Callable[[str, str], str]) -> float:
    """One of ``SECONDS``; ``option`` is as for ``WebhookSettings``. One that makes no sense is logged."""
    default = SECONDS[name]
    return _parsed(name, option(name, str(default)), _positive, default)


def _parsed(name: str, text: str, parse: Callable[[str], T], when_wrong: T) -> T:
    """What a setting says; one that makes no sense is logged."""
    try:
        return parse(text)
    except ValueError as error:
        log.error("Setting [hitl_review] %s is wrong, taken as %s: %s", name, when_wrong, error)
        return when_wrong


def _check_secrets(secrets: Sequence[str]) -> None:
    """Log what is wrong with a signing secret. It stays: without it, requests would go out unsigned."""
    try:
        for secret in secrets:
            check_secret(secret)
    except InvalidSecretError as error:
        log.error("Setting [hitl_review] webhook_secret is wrong, and nothing is sent to plain URLs: %s", error)


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

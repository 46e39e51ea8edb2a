"""Reads options: valid, invalid, empty and unset."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from airflow_hitl_review.core.option_table import OPTIONS
from airflow_hitl_review.core.options import WebhookSettings, is_on, seconds
from tests.plugin.task.test_operator import run

SECONDS = [name for name, option in OPTIONS.items() if option.type == "float"]
SWITCHES = [name for name, option in OPTIONS.items() if option.type == "boolean"]


def given(value: str) -> Callable[[str, str], str]:
    return lambda name, default: value


@pytest.mark.parametrize("name", SECONDS)
@pytest.mark.parametrize("wrong", ["soon", "0", "-1", "inf", "nan", "10 s"])
def test_invalid_seconds_are_logged_and_replaced_by_the_default(
    name: str, wrong: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert seconds(name, given(wrong)) == float(OPTIONS[name].default)
    assert f"[hitl_review] {name} is wrong" in caplog.text


def test_valid_seconds_are_used() -> None:
    assert seconds("park_settle_seconds", given("2.5")) == 2.5


@pytest.mark.parametrize("name", SWITCHES)
def test_booleans_are_parsed_as_in_airflow(name: str, caplog: pytest.LogCaptureFixture) -> None:
    assert is_on(name, lambda _, default: default) is (OPTIONS[name].default == "True")
    assert [is_on(name, given(word)) for word in ("True", "on", "0", "No")] == [True, True, False, False]
    assert is_on(name, given("perhaps")) is (OPTIONS[name].default == "True")
    assert f"[hitl_review] {name} is wrong" in caplog.text


def test_unset_options_have_their_defaults() -> None:
    assert WebhookSettings.read(lambda _, default: default) == WebhookSettings()


def test_empty_option_counts_as_unset_on_workers_and_api_servers() -> None:
    printed = run("""
        import os
        os.environ["AIRFLOW__HITL_REVIEW__PARK_SETTLE_SECONDS"] = ""
        os.environ["AIRFLOW__HITL_REVIEW__URL_PREFIX"] = "/reviews"
        from airflow_hitl_review.core import airflow_sdk
        from airflow_hitl_review.server.db import transactions
        for option in (transactions.option, airflow_sdk.option):
            print(option("park_settle_seconds", "7"), option("url_prefix", "/x"))
    """)
    assert printed.splitlines()[-2:] == ["7 /reviews"] * 2

"""Settings with a typing error."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from airflow_hitl_review.core.options import SECONDS, SWITCHES, is_on, seconds
from airflow_hitl_review.provider_info import get_provider_info
from tests.airflow_side.test_operator import run


def given(value: str) -> Callable[[str, str], str]:
    return lambda name, default: value


@pytest.mark.parametrize("name", SECONDS)
@pytest.mark.parametrize("wrong", ["soon", "0", "-1", "inf", "nan", "10 s"])
def test_a_wrong_number_of_seconds_is_logged_and_the_default_taken(
    name: str, wrong: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert seconds(name, given(wrong)) == SECONDS[name]
    assert f"[hitl_review] {name} is wrong" in caplog.text


def test_a_number_of_seconds_is_taken() -> None:
    assert seconds("park_settle_seconds", given("2.5")) == 2.5


@pytest.mark.parametrize("name", [*SECONDS, *SWITCHES])
def test_defaults_are_those_that_airflow_shows(name: str) -> None:
    options = get_provider_info()["config"]["hitl_review"]["options"]
    shown = given(options[name]["default"])
    assert seconds(name, shown) == SECONDS[name] if name in SECONDS else is_on(name, shown) == SWITCHES[name]


def test_an_empty_setting_counts_as_not_set_for_workers_and_api_servers_alike() -> None:
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

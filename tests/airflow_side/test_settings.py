"""Settings with a typing error."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from airflow_hitl_review.provider_info import get_provider_info
from airflow_hitl_review.settings import SECONDS, SWITCHES, is_on, seconds


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

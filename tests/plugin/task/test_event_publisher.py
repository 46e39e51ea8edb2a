"""Webhooks of the task, and the limits of concurrent requests, without a running Airflow."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from airflow.sdk import Connection as AirflowConnection

from airflow_hitl_review.core.airflow_sdk import AirflowException
from airflow_hitl_review.core.endpoint_lookup import resolve, why_unusable
from airflow_hitl_review.core.options import WebhookSettings
from airflow_hitl_review.core.webhook_endpoints import (
    Webhook,
    WebhookTarget,
    all_targets,
    as_webhooks,
    usable_webhooks,
)
from airflow_hitl_review.server.delivery.concurrency_limiter import (
    MAX_IN_FLIGHT,
    MAX_IN_FLIGHT_IF_SILENT,
    MAX_IN_FLIGHT_PER_ENDPOINT,
    MAX_QUEUED_AT_A_PACE,
    ConcurrencyLimiter,
)
from hitl_webhooks import InvalidEndpointError, InvalidSecretError, generate_secret
from hitl_webhooks.send.schedule import STANDARD_WAITS
from tests.plugin.task.test_operator import run

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)


class Connection:
    """What ``resolve`` reads of an Airflow connection."""

    def __init__(self, **given: object) -> None:
        self.conn_id, self.conn_type, self.host, self.schema = "one", "http", "https://example.org/hook", None
        self.port, self.login, self.password, self.extra = None, None, "", None
        self.__dict__.update(given)


def test_requests_to_a_full_endpoint_are_delayed_to_different_times() -> None:
    gate = ConcurrencyLimiter()
    assert [gate.admit("one", "standard", NOW) for _ in range(MAX_IN_FLIGHT_PER_ENDPOINT)] == [
        None
    ] * MAX_IN_FLIGHT_PER_ENDPOINT
    later = [gate.admit("one", "standard", NOW) for _ in range(20)]
    assert all(at is not None and at > NOW + timedelta(seconds=1) for at in later)
    assert len(set(later)) == 20
    assert gate.admit("two", None, NOW) is None
    gate.leave("one")
    assert gate.admit("one", "standard", NOW) is None


def test_silent_endpoints_leave_capacity_for_others() -> None:
    gate = ConcurrencyLimiter()
    for number in range(MAX_IN_FLIGHT // MAX_IN_FLIGHT_PER_ENDPOINT):
        for _ in range(MAX_IN_FLIGHT_PER_ENDPOINT):
            assert gate.admit(f"silent {number}", None, NOW) is None
    assert gate.admit("good", None, NOW) is not None
    for number in range(MAX_IN_FLIGHT // MAX_IN_FLIGHT_PER_ENDPOINT):
        for _ in range(MAX_IN_FLIGHT_PER_ENDPOINT):
            gate.leave(f"silent {number}", answered=False)
        taken = [gate.admit(f"silent {number}", None, NOW) is None for _ in range(10)]
        assert sum(taken) == MAX_IN_FLIGHT_IF_SILENT
    assert gate.admit("good", None, NOW) is None
    gate.leave("silent 0", answered=True)
    assert [gate.admit("silent 0", None, NOW) for _ in range(5)] == [None] * 5


def test_rate_limited_format_has_a_short_queue() -> None:
    gate = ConcurrencyLimiter()
    taken = [gate.admit("slack", "slack", NOW) for _ in range(10)]
    assert taken[:MAX_QUEUED_AT_A_PACE] == [None] * MAX_QUEUED_AT_A_PACE
    waits = [at for at in taken[MAX_QUEUED_AT_A_PACE:] if at is not None]
    assert [later - earlier for earlier, later in pairwise(waits)] == [timedelta(seconds=1)] * 6
    assert gate.admit("one", "no such format", NOW) is None  # resolving the endpoint reports the error


def test_templates_are_skipped_until_they_are_rendered() -> None:
    given = ["{{ var.value.hook }}", "my_conn"]
    assert [w.name for w in as_webhooks(given, "{{ var.value.url }}", rendered=False)] == ["my_conn"]
    with pytest.raises(ValueError, match="renders no template"):
        Webhook(url="https://{{ host }}/x")
    with pytest.raises(ValueError, match="Give it as url"):
        Webhook(conn_id="https://user:pw@example.org")


@pytest.mark.parametrize(
    "url",
    [
        "https://user:pw@example.org/",
        "https://example.org/?token=x",
        "https://example.org/#x",
        "https://hooks.slack.com/services/T/B/x",
        "https://[::1",
    ],
)
def test_webhook_url_with_a_secret_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="Webhook url"):
        as_webhooks([url])
    with pytest.raises(ValueError, match="Webhook url"):
        as_webhooks((), url)


def test_unusable_webhooks_are_skipped_at_run_time(caplog: pytest.LogCaptureFixture) -> None:
    given = ["good", "", "https://example.org/?token=known", 3, "good", Webhook(conn_id="other")]
    names = [webhook.name for webhook in usable_webhooks(given, "https://example.org/hook")]
    assert names == ["good", "other", "https://example.org/hook"]
    assert [webhook.name for webhook in usable_webhooks("good", "nonsense")] == ["good"]
    assert usable_webhooks((), None) == ()
    assert len(caplog.records) == 4
    assert "known" not in caplog.text


@pytest.mark.parametrize(
    "given",
    [
        "example.org/hook?token=known",  # URLs without a scheme
        "user:known@example.org/hook",
        "hooks.slack.com/services/T000/B000/known",
        {"url": "https://example.org/?token=known"},
        Path("/known"),
    ],
)
def test_invalid_connection_id_is_refused_without_quoting_it(given: Any) -> None:
    with pytest.raises(ValueError, match=r"^(Webhook conn_id|webhooks takes)") as caught:
        as_webhooks([given])
    assert "known" not in str(caught.value)
    assert as_webhooks(["team/hooks.one", "a-b_c"])


def test_secret_urls_in_webhook_conn_ids_are_skipped(caplog: pytest.LogCaptureFixture) -> None:
    conn_ids = (
        "https://user:known@example.org/",
        "a",
        "hooks.slack.com/services/T/B/known",
        "https://example.org/",
    )
    targets = all_targets((), WebhookSettings(conn_ids=conn_ids))
    assert [target.endpoint for target in targets] == ["a", "https://example.org/"]
    assert caplog.text.count("A webhook of [hitl_review] webhook_conn_ids cannot be used") == 2
    assert "known" not in caplog.text


def test_error_for_a_malformed_secret_names_the_setting(caplog: pytest.LogCaptureFixture) -> None:
    settings = WebhookSettings.read(lambda name, _: "known" if name == "webhook_secret" else "")
    assert "[hitl_review] webhook_secret is wrong" in caplog.text
    with pytest.raises(InvalidSecretError, match=r"setting \[hitl_review\] webhook_secret .* starts with 'whsec_'"):
        resolve("https://example.org/", None, connection=lambda _: Connection(), settings=settings)
    assert "known" not in caplog.text


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("known", "starts with 'whsec_'"),
        ("whsec_known!", "is not base64"),
        ("whsec_a25vd24=", "has 24 to 64 bytes; this one has 5"),
        (f"{generate_secret()} whsec_known!", "is not base64"),
    ],
    ids=["without its prefix", "not base64", "too short", "the second of two"],
)
def test_error_for_a_malformed_secret_names_the_connection(password: str, why: str) -> None:
    with pytest.raises(InvalidSecretError, match=rf"password of connection 'one' .*{why}") as caught:
        resolve("one", None, connection=lambda _: Connection(password=password), settings=WebhookSettings())
    assert "known" not in str(caught.value)
    assert "a25vd24" not in str(caught.value)


def test_only_the_type_of_an_error_that_may_quote_a_secret_is_shown() -> None:
    for error in (ValueError("known"), KeyError("known"), OSError("known"), RuntimeError("known")):
        assert "known" not in why_unusable(error)
        assert why_unusable(error).startswith(f"{type(error).__name__} while looking up the endpoint")
    for told in (InvalidEndpointError("why"), LookupError("why"), AirflowException("why")):
        assert why_unusable(told) == f"{type(told).__name__}: why"


def test_endpoints_of_the_deployment_follow_those_of_the_dag() -> None:
    targets = all_targets(as_webhooks(["b", "a"]), WebhookSettings(conn_ids=("a", "c", "c")))
    assert [target.endpoint for target in targets] == ["b", "a", "c"]
    assert targets[0] == WebhookTarget(endpoint="b")


def test_connection_is_resolved_to_url_format_secrets_and_headers() -> None:
    one, two = generate_secret(), generate_secret()
    settings = WebhookSettings(url_secrets=(one, two))

    def endpoint(format_: str | None = None, **given: object) -> tuple[str, str, tuple[str, ...]]:
        found = resolve("one", format_, connection=lambda _: Connection(**given), settings=settings)
        return found.url, found.format, found.secrets

    assert endpoint(password=f" {one}  {two}\n") == ("https://example.org/hook", "standard", (one, two))
    assert endpoint(host="example.org", schema="https", port=8443, extra='{"path": "/hook"}') == (
        "https://example.org:8443/hook",
        "standard",
        (),
    )
    assert endpoint("cloudevents")[1] == "cloudevents"
    slack = {"conn_type": "slackwebhook", "host": "hooks.slack.com/services", "password": "/T0/B0/x"}
    assert endpoint(None, **slack) == ("https://hooks.slack.com/services/T0/B0/x", "slack", ())
    whole = {"conn_type": "slackwebhook", "host": None, "password": "https://hooks.slack.com/services/T0/B0/x"}
    for given in (whole, whole | {"password": "T0/B0/x"}):
        assert endpoint(None, **given) == ("https://hooks.slack.com/services/T0/B0/x", "slack", ())
    named = resolve("https://example.org/", None, connection=lambda _: Connection(), settings=settings)
    assert named.secrets == (one, two)
    found = resolve(
        "one", None, connection=lambda _: Connection(extra='{"headers": {"X-Key ": " v\\n"}}'), settings=settings
    )
    assert found.headers == {"X-Key": "v"}
    for wrong in ({"extra": "["}, {"extra": '{"headers": ["x"]}'}, {"host": ""}, {"host": "http://example.org"}):
        with pytest.raises(InvalidEndpointError):
            endpoint(**wrong)


URIS = {
    "https://:{secret}@example.org:8090/webhooks": "https://example.org:8090/webhooks",
    "https://:{secret}@example.org/a%2Fb%20c": "https://example.org/a/b c",
    "http://:{secret}@localhost:8090/webhooks": "http://localhost:8090/webhooks",
    "http://:{secret}@example.org:8443/https": "https://example.org:8443",  # as in the HTTP provider
    "http://:{secret}@example.org/?path=%2Fhook": "http://example.org/hook",
    "http://https://:{secret}@example.org:8443/hook": "https://example.org:8443/hook",
    "generic://:{secret}@example.org": "https://example.org",
    "https://:{secret}@[::1]:8443/hook": "https://[::1]:8443/hook",
}


@pytest.mark.parametrize("uri", URIS)
def test_connection_can_be_a_uri(uri: str) -> None:
    secret = generate_secret()
    written = uri.replace("{secret}", quote(secret, safe=""))
    make: Any = AirflowConnection
    given = make(conn_id="one", uri=written)
    found = resolve("one", None, connection=lambda _: given, settings=WebhookSettings(allow_http=True))
    assert (found.url, found.secrets) == (URIS[uri], (secret,))


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({"host": "https://example.org/hooks", "port": 8443}, "https://example.org:8443/hooks"),
        ({"host": "https://example.org:8443/hooks", "port": 8443}, "https://example.org:8443/hooks"),
        ({"host": "https://example.org", "extra": '{"path": "hook"}'}, "https://example.org/hook"),
        ({"host": "https://example.org/", "schema": "/hook"}, "https://example.org/hook"),
        ({"host": "https://user:pw@example.org:8443/hook"}, "https://user:pw@example.org:8443/hook"),
        ({"host": "https://user:pw@example.org", "port": 8443}, "https://user:pw@example.org:8443"),
        ({"host": "https://example.org/hook", "extra": '{"path": "?a=b"}'}, "https://example.org/hook?a=b"),
        ({"host": "example.org/a", "schema": "b", "conn_type": "generic", "port": 1}, "https://example.org:1/a/b"),
    ],
)
def test_all_parts_of_a_connection_are_in_the_url(given: dict[str, object], url: str) -> None:
    found = resolve("one", None, connection=lambda _: Connection(**given), settings=WebhookSettings())
    assert found.url == url


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"schema": "hook", "extra": '{"path": "/other"}'}, "name two paths"),
        ({"host": "http://localhost", "schema": "https"}, "begins with http://, but its schema is https"),
        ({"host": "https://example.org:1/", "port": 2}, "name two ports"),
        ({"login": "ann"}, "its login would not be used"),
        ({"host": None}, "it has no host"),
        ({"host": "https://"}, "it has no host"),
        ({"host": "https://example.org/?a=b", "schema": "more"}, "its host has a query"),
        ({"conn_type": "https", "host": "example.org", "schema": "http"}, "its type is https"),
    ],
)
def test_contradictory_or_incomplete_connection_is_refused(given: dict[str, object], why: str) -> None:
    with pytest.raises(InvalidEndpointError, match=f"Connection 'one': .*{why}"):
        resolve("one", None, connection=lambda _: Connection(**given), settings=WebhookSettings())


def test_unused_fields_of_an_extra_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    resolve("one", None, connection=lambda _: Connection(extra='{"token": "x"}'), settings=WebhookSettings())
    assert "webhooks do not use token of its extra" in caplog.text


def test_webhook_settings(caplog: pytest.LogCaptureFixture) -> None:
    one, two = generate_secret(), generate_secret()
    given = {"webhook_secret": f" {one}  {two} ", "webhook_conn_ids": "x, y,", "webhook_allow_http": "true"}
    settings = WebhookSettings.read(lambda name, default: given.get(name, default))
    assert (settings.url_secrets, settings.conn_ids, settings.allow_http) == ((one, two), ("x", "y"), True)
    assert settings.schedule.waits == STANDARD_WAITS
    assert not caplog.records
    wrong = {
        "webhook_allow_http": "maybe",
        "webhook_block_private_addresses": "ture",
        "webhook_retry_schedule": "5; 6",
        "webhook_sweep_interval": "-1",
        "webhook_timeout": "nan",
    }
    settings = WebhookSettings.read(lambda name, default: wrong.get(name, default))
    # The safer value, not the intended one.
    assert (settings.allow_http, settings.block_private_addresses) == (False, True)
    assert (settings.schedule.waits, settings.sweep_seconds, settings.timeout) == (STANDARD_WAITS, 1.0, 15.0)
    assert len(caplog.records) == 5


NOTIFIER = """
    import logging, threading, time
    from airflow_hitl_review.core.site import Site
    from airflow_hitl_review.task.event_publisher import EventPublisher
    from airflow_hitl_review.core.schema import AgentSession
    from airflow_hitl_review.core.task_key import TaskKey
    from airflow_hitl_review.core.webhook_endpoints import WebhookTarget
    from airflow_hitl_review.core.options import WebhookSettings
    from airflow_hitl_review.task.task_xcoms import utcnow
    from hitl_webhooks import EventType
    stored, broken = {}, set()
    def push(key, value):
        for word in broken:
            if word in key:
                raise OSError("the API server is away")
        stored[key.removeprefix("airflow_hitl_review_")] = value
    def delete(key):
        stored.pop(key.removeprefix("airflow_hitl_review_"))
    def no_connection(conn_id):
        raise LookupError("no such connection")
    notifier = EventPublisher(
        key=TaskKey("d", "r", "t"), task_instance_id="018f3c5e-7a1b-7c3d-8e4f-5a6b7c8d9e0f", try_number=1,
        targets=[WebhookTarget(endpoint="one"), WebhookTarget(endpoint="http://127.0.0.1:9/")],
        settings=WebhookSettings(), site=Site("http://localhost"), push=push, delete=delete,
        connection=no_connection,
    )
    notifier.open()
"""


def test_task_leaves_failed_deliveries_to_the_dispatcher() -> None:
    run(
        NOTIFIER
        + """
    notifier.tell(EventType.FINALIZED, AgentSession(current_output="x"), at=utcnow())
    (name,) = [key for key in stored if key.startswith("webhook_")]
    assert all(d["next_attempt_at"] and not d["attempts"] for d in stored[name]["deliveries"])  # claimed
    from demo.processes import PATIENCE
    start = time.monotonic()
    notifier.finish()
    assert time.monotonic() - start < 12 * PATIENCE
    notifier.close()
    assert set(stored) == {name, "webhooks_ended"}
    one, two = stored[name]["deliveries"]
    assert one["attempts"] == 1 and "no such connection" in one["last_error"], one
    assert two["attempts"] == 3 and two["last_error"].startswith("ConnectError"), two
    assert all(d["status"] == "pending" and d["step"] == 1 and d["next_attempt_at"] for d in (one, two))
    """
    )


def test_secrets_in_errors_of_a_secrets_backend_are_not_exposed() -> None:
    printed = run(
        NOTIFIER
        + """
    import json
    from airflow_hitl_review.server.delivery import endpoint_trial, outbox, sender
    from airflow_hitl_review.core.webhook_endpoints import Webhook
    from hitl_webhooks import HITLWebhookError
    def unreadable(*_):
        raise KeyError("https://user:known@example.org/")
    notifier._connection = sender.load_connection = endpoint_trial.load_connection = unreadable
    notifier.tell(EventType.FINALIZED, AgentSession(current_output="x"), at=utcnow())
    notifier.finish()
    (name,) = [key for key in stored if key.startswith("webhook_")]
    claimed = outbox.Claimed(TaskKey("d", "r", "t"), "id", b"{}", "one", None, utcnow())
    endpoint, failed = sender.Sender(WebhookSettings())._resolve(claimed)
    assert endpoint is None
    try:
        endpoint_trial.try_out(Webhook(conn_id="one"), WebhookSettings())
    except HITLWebhookError as error:
        refused = error
    assert refused.__suppress_context__  # or the log of the API server would have it
    said = [stored[name]["deliveries"][0]["last_error"], failed.error, str(refused)]
    assert all(text.startswith("KeyError while looking up the endpoint") for text in said), said
    print(json.dumps(stored))
    """
    )
    assert "last_error" in printed
    assert "known" not in printed


def test_final_event_that_cannot_be_stored_is_left_to_the_api_server() -> None:
    run(
        NOTIFIER
        + """
    broken.add("webhook_")
    notifier.tell(EventType.FINALIZED, AgentSession(current_output="x"), at=utcnow())
    pauses = []
    assert notifier.finish(sleep=pauses.append) is False
    assert 10 < sum(pauses) < 30
    assert set(stored) == {"webhooks"}  # which makes the API server tell it
    """
    )


def test_final_event_that_cannot_be_created_is_left_to_the_api_server() -> None:
    run(
        NOTIFIER
        + """
    notifier.tell(EventType.FINALIZED, AgentSession(current_output="x"), at=utcnow(), feedback=notifier)
    pauses = []
    assert notifier.finish(sleep=pauses.append) is False
    assert not pauses  # it would not help
    """
    )


@pytest.mark.parametrize("way", ["with the next event", "before the task waits", "while it polls"])
def test_event_is_stored_once_an_api_server_responds_again(way: str) -> None:
    run(
        NOTIFIER
        + f"""
    session = AgentSession(current_output="x")
    broken.add("webhook_")
    notifier.tell(EventType.OUTPUT_READY, session, at=utcnow())
    assert set(stored) == {{"webhooks"}}
    way = {way!r}
    if way == "with the next event":
        broken.clear()
        notifier.tell(EventType.CHANGES_REQUESTED, session, at=utcnow())
    elif way == "while it polls":
        assert not notifier.keep()
        broken.clear()
        assert notifier.keep()
    else:
        pauses = []
        def sleep(seconds):
            pauses.append(seconds)
            if len(pauses) == 3:
                broken.clear()
        assert notifier.finish(sleep=sleep)
        assert len(pauses) == 3
    """
        + """
    told = [entry["type"] for name, entry in stored.items() if name.startswith("webhook_")]
    expected = ["hitl_review.output_ready", "hitl_review.changes_requested"]
    assert told == expected[: 2 if way == "with the next event" else 1], told
    assert notifier.finish()
    """
    )


def test_failing_callback_does_not_affect_others() -> None:
    printed = run("""
        from airflow_hitl_review.task.callbacks import Callbacks
        from airflow_hitl_review.core.schema import AgentSession
        from hitl_webhooks import EventType
        def leave(context): raise SystemExit(3)
        def fail(context): raise ValueError("no")
        def say(context):
            told = context["hitl_review"]
            print(context["ti"], told["event"], told["output"], told["edited"])
        callbacks = Callbacks({"ti": "ti"}, on_output_ready=[leave, fail, say], on_finalized=say, notifiers=say)
        session = AgentSession(current_output="x")
        for type_ in EventType:
            edited = "y" if type_ is EventType.FINALIZED else None
            callbacks.call(type_, session, status=None, decision=None, edited_output=edited)
    """)
    said = [line for line in printed.splitlines() if line.startswith("ti ")]
    assert said == ["ti hitl_review.output_ready x False"] * 2 + ["ti hitl_review.finalized y True"]


def test_dispatcher_restarts_after_an_error() -> None:
    """Here: an environment in which no HTTP client can be created, until it is fixed."""
    run("""
        import os, time
        from airflow_hitl_review.server.delivery.dispatcher import Dispatcher
        from airflow_hitl_review.core.options import WebhookSettings
        from demo.processes import PATIENCE
        looks = []
        async def look(database, client): looks.append(1)
        class Looking(Dispatcher):
            def __init__(self, settings):
                super().__init__(settings)
                self._sender.look = look
            def _sweep(self): pass
        os.environ["SSL_CERT_FILE"] = "/nowhere"
        dispatcher = Looking(WebhookSettings(sweep_seconds=0.1))
        dispatcher.start()
        time.sleep(0.5)
        assert not looks and dispatcher._thread.is_alive()
        del os.environ["SSL_CERT_FILE"]
        end = time.monotonic() + 20 * PATIENCE
        while not looks:
            assert time.monotonic() < end
            time.sleep(0.05)
        dispatcher.stop()
        assert not dispatcher._thread.is_alive()
        quick = Looking(WebhookSettings())
        quick.start(); quick.stop()
        assert not quick._thread.is_alive()
    """)


def test_missing_certificates_are_reported_and_the_sweep_continues() -> None:
    printed = run(
        """
        import os, threading
        os.environ["SSL_CERT_FILE"] = "/gone"
        from airflow_hitl_review.server.delivery import endpoint_trial
        from airflow_hitl_review.server.delivery.dispatcher import Dispatcher
        from airflow_hitl_review.core.webhook_endpoints import Webhook
        from airflow_hitl_review.core.options import WebhookSettings
        from hitl_webhooks import HITLWebhookError, generate_secret

        settings = WebhookSettings(url_secrets=(generate_secret(),), sweep_seconds=0.01)
        try:
            endpoint_trial.try_out(Webhook(url="https://127.0.0.1:1/"), settings)
        except HITLWebhookError as error:
            print(error)
        swept = threading.Semaphore(0)

        class Swept(Dispatcher):
            def _sweep(self):
                swept.release()

        dispatcher = Swept(settings)
        dispatcher.start()
        for _ in range(3):
            assert swept.acquire(timeout=30)
        dispatcher.stop()
        """
    )
    assert "SSL_CERT_FILE names /gone, which cannot be read as certificates (FileNotFoundError)" in printed

"""An OpenTelemetry collector: takes metrics and spans over OTLP/HTTP, and tells what it has got."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Point:
    """The newest value of a metric: a number, or of a histogram how often it was measured."""

    value: float
    tags: Mapping[str, Any]


@dataclass(frozen=True)
class SpanEvent:
    """An event in a span, with the attributes of both."""

    name: str
    attributes: Mapping[str, Any]
    span: Mapping[str, Any]


class OtlpServer:
    """Listens on a free port of this machine, from its making until ``close``."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._points: dict[str, Point] = {}
        self._events: list[SpanEvent] = []
        take = self._take

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                take(self.path, gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body)
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as it is in the base class
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, name="otlp", daemon=True).start()

    def _environment(self, kind: str) -> dict[str, str]:
        return {
            f"OTEL_EXPORTER_OTLP_{kind}_ENDPOINT": f"http://127.0.0.1:{self._server.server_port}/{kind.lower()}",
            f"OTEL_EXPORTER_OTLP_{kind}_PROTOCOL": "http/protobuf",
        }

    @property
    def metrics_settings(self) -> dict[str, str]:
        """Environment variables with which Airflow sends its measures here, twice in a second."""
        return {
            **self._environment("METRICS"),
            "AIRFLOW__METRICS__OTEL_ON": "True",
            "OTEL_METRIC_EXPORT_INTERVAL": "500",
        }

    @property
    def traces_settings(self) -> dict[str, str]:
        """Environment variables with which Airflow sends its spans here."""
        return {
            **self._environment("TRACES"),
            "AIRFLOW__TRACES__OTEL_ON": "True",
            "OTEL_TRACES_EXPORTER": "otlp_proto_http",
        }

    def points(self) -> dict[str, Point]:
        """By name, without Airflow's prefix."""
        with self._lock:
            return dict(self._points)

    def events(self) -> list[SpanEvent]:
        """Of all spans."""
        with self._lock:
            return list(self._events)

    def close(self) -> None:
        """Listen no longer."""
        self._server.shutdown()
        self._server.server_close()

    def _take(self, path: str, body: bytes) -> None:
        if path == "/metrics":
            self._take_metrics(ExportMetricsServiceRequest.FromString(body))
        else:
            self._take_spans(ExportTraceServiceRequest.FromString(body))

    def _take_metrics(self, request: Any) -> None:
        for metric in (m for r in request.resource_metrics for s in r.scope_metrics for m in s.metrics):
            kind = metric.WhichOneof("data")
            for point in getattr(metric, kind).data_points:
                value = point.count if "histogram" in kind else getattr(point, point.WhichOneof("value"))
                with self._lock:
                    self._points[metric.name.removeprefix("airflow.")] = Point(value, _values(point.attributes))

    def _take_spans(self, request: Any) -> None:
        for span in (p for r in request.resource_spans for s in r.scope_spans for p in s.spans):
            about = {"name": span.name, **_values(span.attributes)}
            with self._lock:
                self._events += [SpanEvent(e.name, _values(e.attributes), about) for e in span.events]


def _values(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}

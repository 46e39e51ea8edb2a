"""A StatsD server: takes measures over UDP, and tells what it has got."""

from __future__ import annotations

import re
import socket
import threading
from typing import NamedTuple

_LINE = re.compile(r"^(?P<name>[^:]+):(?P<value>[-+.\de]+)\|(?P<kind>c|g|ms)(\|.*)?$")


class Measure(NamedTuple):
    """One measure: the name without Airflow's prefix; ``c`` is a counter, ``g`` a gauge, ``ms`` a duration."""

    name: str
    value: float
    kind: str


class StatsdServer:
    """Listens on a free port of this machine, from its making until ``close``."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._measures: list[Measure] = []
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._serve, name="statsd", daemon=True)
        self._thread.start()

    @property
    def settings(self) -> dict[str, str]:
        """Environment variables with which Airflow sends its measures here."""
        host, port = self._socket.getsockname()
        return {
            "AIRFLOW__METRICS__STATSD_ON": "True",
            "AIRFLOW__METRICS__STATSD_HOST": host,
            "AIRFLOW__METRICS__STATSD_PORT": str(port),
            "AIRFLOW__METRICS__STATSD_PREFIX": "airflow",
            "AIRFLOW__METRICS__METRICS_ALLOW_LIST": "hitl_review",
        }

    def measures(self, name: str) -> list[Measure]:
        """Those of that name, oldest first."""
        with self._lock:
            return [measure for measure in self._measures if measure.name == name]

    def names(self) -> set[str]:
        """Of what there is."""
        with self._lock:
            return {measure.name for measure in self._measures}

    def close(self) -> None:
        """Listen no longer."""
        self._socket.sendto(b"", self._socket.getsockname())
        self._thread.join(10)
        self._socket.close()

    def _serve(self) -> None:
        while packet := self._socket.recv(65_535):
            for line in packet.decode().splitlines():
                if found := _LINE.match(line):
                    name = found["name"].removeprefix("airflow.")
                    with self._lock:
                        self._measures.append(Measure(name, float(found["value"]), found["kind"]))

"""Metrics: what the server did, as Prometheus reads it; no label holds anything that a client wrote."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class Metrics:
    """The counters of one house, in a registry of their own.

    `running` and `waiting` tell how many calls there are at the moment.
    """

    content_type = CONTENT_TYPE_LATEST

    def __init__(self, *, running: Callable[[], float], waiting: Callable[[], float]) -> None:
        self._registry = CollectorRegistry()
        of_route = ("method", "route", "status")
        self._requests = Counter("sightline_requests", "requests answered", of_route, registry=self._registry)
        self._refused = Counter(
            "sightline_refused", "requests told to come again", ("route",), registry=self._registry
        )
        self._bytes = Counter(
            "sightline_sent_bytes", "bytes of bodies sent", ("route",), registry=self._registry
        )
        self._seconds = self._histogram("sightline_request_seconds", "time to the end of an answer", "route")
        self._stages = self._histogram("sightline_stage_seconds", "time of a stage of the model", "stage")
        for name, told, count in (("running", "run", running), ("waiting", "wait", waiting)):
            gauge = Gauge(f"sightline_calls_{name}", f"calls that {told}", registry=self._registry)
            gauge.set_function(count)

    def _histogram(self, name: str, told: str, label: str) -> Histogram:
        return Histogram(name, told, (label,), registry=self._registry, buckets=_SECONDS)

    def answered(self, method: str, route: str, status: int, seconds: float, size: int) -> None:
        """Count an answer: the path of its route, its status (0 for none), its time and its bytes."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)
        self._bytes.labels(route).inc(size)
        if status == 429:
            self._refused.labels(route).inc()

    def staged(self, stage: str, seconds: float) -> None:
        """Count a stage of the model that ended."""
        self._stages.labels(stage).observe(seconds)

    def text(self) -> bytes:
        """All of it, in the text form that Prometheus reads."""
        return generate_latest(self._registry)

"""What is counted, for Prometheus."""

from __future__ import annotations

import os
import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from gitml.models.serving.settings import COUNTS_VARIABLE

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 16384)


class Metrics:
    """Counts of one process; written out together with those of its siblings."""

    def __init__(self) -> None:
        self._shared = COUNTS_VARIABLE in os.environ
        self._registry = CollectorRegistry()
        to = self._registry
        self._requests = Counter("gitml_requests", "Requests answered.", ("endpoint", "status"), registry=to)
        self._seconds = Histogram(
            "gitml_request_seconds", "From a request's first byte to its answer.", ("endpoint",), buckets=_SECONDS, registry=to
        )  # fmt: skip
        self._batched = Histogram(
            "gitml_batch_requests", "Requests in one call of the model.", buckets=_ROWS, registry=to
        )
        self._rows = Histogram(
            "gitml_batch_rows", "Rows in one call of the model.", buckets=_ROWS, registry=to
        )
        self._waiting = Gauge(
            "gitml_queue_requests",
            "Requests that wait to be joined.",
            multiprocess_mode="livesum",
            registry=to,
        )
        self._open = Gauge(
            "gitml_requests_in_flight", "Requests that were not answered yet.", multiprocess_mode="livesum", registry=to
        )  # fmt: skip
        self._reloads = Counter(
            "gitml_reloads", "Looks for another version that found one, or failed.", ("outcome",), registry=to
        )
        self._failing = Gauge(
            "gitml_reload_failing", "1 while the version that should be served can't be.",
            multiprocess_mode="livemax", registry=to,
        )  # fmt: skip
        for outcome in ("loaded", "failed"):
            self._reloads.labels(outcome)
        self._answered: dict[tuple[str, int], tuple[Counter, Histogram]] = {}

    def request(self) -> float:
        """A request came; gives the moment, for `answered`."""
        self._open.inc()
        return time.perf_counter()

    def answered(self, endpoint: str, status: int, since: float) -> None:
        """A request was answered."""
        self._open.dec()
        found = self._answered.get((endpoint, status))
        if found is None:
            found = self._requests.labels(endpoint, str(status)), self._seconds.labels(endpoint)
            self._answered[endpoint, status] = found
        found[0].inc()
        found[1].observe(time.perf_counter() - since)

    def batch(self, requests: int, rows: int) -> None:
        """The model is called."""
        self._batched.observe(requests)
        self._rows.observe(rows)

    def waiting(self, requests: int) -> None:
        """So many wait to be joined."""
        self._waiting.set(requests)

    def loaded(self, name: str, version: int | None) -> None:
        """A model is served from now on; called once."""
        # Made here: whoever looks after the others loads nothing, and would count as a model of 1970. While
        # processes of two versions live, the newer ones answer; the older ones may have the higher version.
        version_served = Gauge(
            "gitml_model_version", "Version served; 0 if it is none of the registry.", ("model",),
            multiprocess_mode="livemostrecent", registry=self._registry,
        )  # fmt: skip
        moment = Gauge(
            "gitml_model_loaded_timestamp_seconds",
            "When the model was loaded.",
            multiprocess_mode="livemostrecent",
            registry=self._registry,
        )
        version_served.labels(name).set(version or 0)
        moment.set(time.time())

    def reloaded(self, outcome: str) -> None:
        """A model was looked for because its stage or alias had moved: `loaded` or `failed`."""
        self._reloads.labels(outcome).inc()
        self._failing.set(outcome == "failed")

    def recovered(self) -> None:
        """What should be served is served again."""
        self._failing.set(0)

    def text(self) -> bytes:
        """Write all of it in Prometheus' format."""
        registry = self._registry
        if self._shared:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)

"""Figures for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

__all__ = ["Metrics"]

_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics(Collector):
    """Counts what the service does.

    Args:
        jobs: gives the number of jobs by state.

    Attributes:
        requests: by route, method and status.
        seconds: from the request to the end of the answer, by route.
        frames: that were matted, by kind: picture, clip, live.
        dropped: live frames for which newer ones came.
        jobs_ended: by state.
        connections: open WebSockets.
        pictures: pictures in work, or waiting.
    """

    def __init__(self, jobs: Callable[[], Mapping[str, int]]) -> None:
        self._jobs = jobs
        self._registry = registry = CollectorRegistry()
        self.requests = Counter(
            "streamseg_requests", "Requests that were answered.", ["route", "method", "status"], registry=registry
        )
        self.seconds = Histogram(
            "streamseg_request_seconds",
            "From the request to the end of the answer.",
            ["route"],
            buckets=_BUCKETS,
            registry=registry,
        )
        self.frames = Counter("streamseg_frames", "Frames that were matted.", ["kind"], registry=registry)
        self.dropped = Counter("streamseg_live_dropped", "Live frames for which newer ones came.", registry=registry)
        self.jobs_ended = Counter("streamseg_jobs_ended", "Clips that came to their end.", ["state"], registry=registry)
        self.connections = Gauge("streamseg_live_connections", "Open WebSockets.", registry=registry)
        self.pictures = Gauge("streamseg_pictures", "Pictures in work or waiting.", registry=registry)
        for kind in ("picture", "clip", "live"):
            self.frames.labels(kind)
        registry.register(self)
        ProcessCollector(registry=registry)

    def collect(self) -> Iterable[Metric]:
        """The jobs, counted now."""
        counts = self._jobs()
        jobs = GaugeMetricFamily("streamseg_jobs", "Clips that are not deleted yet.", labels=["state"])
        for state in ("queued", "running", "done", "failed", "cancelled"):
            jobs.add_metric([state], counts.get(state, 0))
        yield jobs
        yield GaugeMetricFamily("streamseg_queue_length", "Clips that wait.", value=counts.get("queued", 0))

    def text(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self._registry)

"""The figures for Prometheus: what the store knows of all processes, and what this process knows of its own commits.

docs/operate.md has each metric with what it means; a test holds the two equal. Names follow
https://prometheus.io/docs/practices/naming/, read 2026-11-22.
"""

import os
import platform
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from tracker import __version__
from tracker.collect.commit import Figures
from tracker.health import Doctor, StoreFigures
from tracker.vocabulary import Refusal


class Metrics(Collector):
    """Collects when it is asked, and keeps nothing itself.

    doctor   tells the store's figures, or that the store does not tell them
    commits  gives the figures of this process's group commit, and how many beacons wait for it
    """

    def __init__(self, doctor: Doctor, database: str, commits: Callable[[], tuple[Figures, int]]) -> None:
        self._doctor, self._database, self._commits = doctor, database, commits

    def collect(self) -> Iterator[Metric]:
        """All metrics; those of the store only if it tells them in time."""
        build = {"version": __version__, "database": self._database, "python": platform.python_version()}
        yield InfoMetricFamily("minamoto_build", "What runs here", value=build)
        yield from self.of_commits()
        seen = self._doctor.figures()
        yield gauge("minamoto_store_up", "Whether the store told its figures within two seconds", int(seen is not None))
        if seen is not None:
            yield from of_store(seen)

    def of_commits(self) -> Iterator[Metric]:
        """What this process has committed since it began."""
        figures, n_waiting = self._commits()
        for name, told, value in (
            ("batches", "Transactions that beacons shared", figures.n_batches),
            ("beacons", "Beacons committed", figures.n_taken),
            ("hits", "Hits in those beacons", figures.weight),
            ("seconds", "Time that the transactions took", figures.seconds),
            ("store_away", "Batches that the store did not take", figures.n_away),
            ("turned_away", "Beacons that found no room in the queue", figures.n_turned_away),
        ):
            family = CounterMetricFamily(f"minamoto_commit_{name}", told, labels=["process"])
            family.add_metric([str(os.getpid())], value)
            yield family
        for name, told, value in (
            ("slowest_seconds", "The longest transaction since the process began", figures.slowest_s),
            ("waiting_beacons", "Beacons in the queue", n_waiting),
        ):
            gauged = GaugeMetricFamily(f"minamoto_commit_{name}", told, labels=["process"])
            gauged.add_metric([str(os.getpid())], value)
            yield gauged


def of_store(seen: StoreFigures) -> Iterator[Metric]:
    """What the store knows."""
    refused = CounterMetricFamily("minamoto_hits_refused", "Hits refused, by reason", labels=["reason"])
    for reason in Refusal:
        refused.add_metric([reason.value], seen.refused.get(reason.value, 0))
    yield refused
    yield CounterMetricFamily("minamoto_hits_taken", "Hits taken into the journal", value=seen.n_taken)
    yield CounterMetricFamily("minamoto_hits_pruned", "Hits that left the journal by their age", value=seen.n_pruned)
    yield gauge("minamoto_hits_waiting", "Hits that wait for the fold", seen.backlog.n_waiting)
    yield gauge("minamoto_hits_parked", "Hits that could not be folded", seen.backlog.n_parked)
    yield gauge("minamoto_fold_lag_seconds", "How long the oldest waiting hit has waited", seen.lag_s)
    yield gauge("minamoto_journal_hits", "Hits in the journal", seen.n_kept)
    if seen.oldest_at is not None:
        told = "When the oldest hit in the journal was received"
        yield gauge("minamoto_journal_oldest_timestamp_seconds", told, seen.oldest_at.timestamp())
    if seen.horizon_at is not None:
        told = "From when on page views are kept"
        yield gauge("minamoto_journal_horizon_timestamp_seconds", told, seen.horizon_at.timestamp())
    outbox = GaugeMetricFamily("minamoto_outbox_items", "Items of the outbox, by state", labels=["state"])
    for state, n in seen.outbox.items():
        outbox.add_metric([state.value], n)
    yield outbox
    yield gauge("minamoto_store_bytes", "Size of the database", seen.n_bytes)
    if seen.free_bytes is not None:
        yield gauge("minamoto_disk_free_bytes", "Free space where the SQLite file is", seen.free_bytes)


def gauge(name: str, told: str, value: float) -> GaugeMetricFamily:
    """One figure that goes up and down."""
    return GaugeMetricFamily(name, told, value=value)


def registry_of(metrics: Metrics) -> CollectorRegistry:
    """Ours, and what the process and its Python are."""
    registry = CollectorRegistry()
    registry.register(metrics)
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    return registry

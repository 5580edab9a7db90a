"""Metrics in Prometheus form, in a registry of this process's own.

Every series is looked up once, at the start, so that counting costs less than a microsecond.
"""

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from core.families import FAMILIES, Family, Process
from core.telemetry import MetricName


class PrometheusMetrics:
    """Implements `Metrics` for one process; threads may share it.

    Where both processes have a family, its series say whose they are, so that the two texts
    can be put together.
    """

    def __init__(self, process: Process) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        self._process = process
        self._made: dict[MetricName, Counter | Gauge | Histogram] = {}
        self._change: dict[tuple[MetricName, str], Callable[[float], None]] = {}
        for name, family in FAMILIES.items():
            if process in family.owners:
                for label in family.labels:
                    self._bind(name, label)
        if process == "server":
            ProcessCollector(registry=self._registry)

    def count(self, name: MetricName, amount: float = 1, label: str = "") -> None:
        (self._change.get((name, label)) or self._bind(name, label))(amount)

    def observe(self, name: MetricName, value: float, label: str = "") -> None:
        (self._change.get((name, label)) or self._bind(name, label))(value)

    def gauge(self, name: MetricName, value: float) -> None:
        (self._change.get((name, "")) or self._bind(name, ""))(value)

    def render(self) -> bytes:
        """All series in the text format 0.0.4."""
        return generate_latest(self._registry)

    def _bind(self, name: MetricName, label: str) -> Callable[[float], None]:
        """The call that changes one series; makes it when nobody has needed it yet."""
        family = FAMILIES[name]
        made = self._made.get(name) or self._made.setdefault(name, self._make(name, family))
        values = [label] if family.label else []
        values += [self._process] if len(family.owners) > 1 else []
        series = made.labels(*values) if values else made
        change = self._change[name, label] = _changer(series)
        return change

    def _make(self, name: MetricName, family: Family) -> Counter | Gauge | Histogram:
        labels = [family.label] if family.label else []
        labels += ["process"] if len(family.owners) > 1 else []
        if family.kind == "histogram":
            return Histogram(name, family.help, labels, registry=self._registry, buckets=family.buckets)
        kind = Counter if family.kind == "counter" else Gauge
        return kind(name, family.help, labels, registry=self._registry)


def _changer(series: Counter | Gauge | Histogram) -> Callable[[float], None]:
    if isinstance(series, Counter):
        return series.inc
    return series.set if isinstance(series, Gauge) else series.observe

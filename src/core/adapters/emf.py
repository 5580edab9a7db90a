"""Metrics as lines of CloudWatch's embedded metric format, which its logs turn into metrics.

The names and labels are those of `/metrics`; a label is a dimension, beside `process`. Dimensions
are as bounded as labels are: by outcome, never by org.
"""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TextIO

import msgspec

from core.families import FAMILIES
from core.ports import Clock
from core.telemetry import MetricName, MetricsExporter

Process = Literal["edge", "flusher"]
MOST_VALUES: Final = 100
"""That CloudWatch takes of one metric in one line."""
_MICROS_PER_MILLI: Final = 1_000
_PROCESS: Final = "process"
_LABELS: Final[Mapping[str, str]] = {name: family.label for name, family in FAMILIES.items()}
_Series = tuple[MetricName, str]


@dataclass(slots=True)
class _Document:
    """One line: a metric stands in it once, and a dimension has one value."""

    labels: dict[str, str] = field(default_factory=dict)
    values: dict[str, float | list[float]] = field(default_factory=dict)

    def has_room(self, name: MetricName, label: str) -> bool:
        dimension = FAMILIES[name].label
        return name not in self.values and (not label or self.labels.get(dimension, label) == label)

    def put(self, name: MetricName, label: str, value: float | list[float]) -> None:
        self.values[name] = value
        if label:
            self.labels[FAMILIES[name].label] = label


class EmfMetrics:
    """Implements `Metrics`; threads may share it. Nothing is told until `flush`.

    Sums and times since the last flush are told once; a gauge is told at the flush after it was set.
    """

    def __init__(self, *, process: Process, namespace: str, clock: Clock, stream: TextIO) -> None:
        self._process = process
        self._namespace = namespace
        self._clock = clock
        self._stream = stream
        self._lock = threading.Lock()
        self._sums: dict[_Series, float] = {}
        self._seen: dict[_Series, list[float]] = {}
        self._gauges: dict[MetricName, float] = {}
        self._known: dict[MetricName, float] = {}

    def count(self, name: MetricName, amount: float = 1, label: str = "") -> None:
        with self._lock:
            self._sums[name, label] = self._sums.get((name, label), 0) + amount

    def observe(self, name: MetricName, value: float, label: str = "") -> None:
        with self._lock:
            seen = self._seen.setdefault((name, label), [])
            seen.append(value)
            is_full = len(seen) >= MOST_VALUES
        if is_full:
            self.flush()

    def gauge(self, name: MetricName, value: float) -> None:
        with self._lock:
            self._gauges[name] = self._known[name] = value

    def flush(self) -> None:
        """Writes what came since the last time, in as few lines as can say it; nothing where nothing came.

        Never raises: where nobody can be told any more, nobody is.
        """
        with self._lock:
            series = self._taken()
        if not series:
            return
        lines = b"".join(self._line(document) for document in _documents(series))
        try:
            self._stream.write(lines.decode())
            self._stream.flush()
        except (OSError, ValueError):
            return

    def render(self) -> bytes:
        """The gauges set last, in Prometheus' text form: what one of many processes can speak for."""
        with self._lock:
            known = dict(self._known)
        return "".join(
            f"# HELP {name} {FAMILIES[name].help}\n# TYPE {name} gauge\n{name} {value}\n"
            for name, value in known.items()
        ).encode()

    def _taken(self) -> Mapping[_Series, float | list[float]]:
        taken: dict[_Series, float | list[float]] = {**self._sums, **self._seen}
        taken |= {(name, ""): value for name, value in self._gauges.items()}
        self._sums, self._seen, self._gauges = {}, {}, {}
        return taken

    def _line(self, document: _Document) -> bytes:
        directives = [
            {
                "Namespace": self._namespace,
                "Dimensions": [[_PROCESS, *([dimension] if dimension else [])]],
                "Metrics": [{"Name": name, "Unit": _unit(name)} for name in names],
            }
            for dimension, names in _by_dimension(document)
        ]
        told: dict[str, Any] = {
            "_aws": {
                "Timestamp": self._clock.micros() // _MICROS_PER_MILLI,
                "CloudWatchMetrics": directives,
            },
            _PROCESS: self._process,
            **document.labels,
            **document.values,
        }
        return msgspec.json.encode(told) + b"\n"


class EmfBeside:
    """Another exporter's numbers told twice: by it, and as lines each time that it is asked for its own."""

    def __init__(self, exporter: MetricsExporter, emf: EmfMetrics) -> None:
        self._exporter = exporter
        self._emf = emf

    def count(self, name: MetricName, amount: float = 1, label: str = "") -> None:
        self._exporter.count(name, amount, label)
        self._emf.count(name, amount, label)

    def observe(self, name: MetricName, value: float, label: str = "") -> None:
        self._exporter.observe(name, value, label)
        self._emf.observe(name, value, label)

    def gauge(self, name: MetricName, value: float) -> None:
        self._exporter.gauge(name, value)
        self._emf.gauge(name, value)

    def render(self) -> bytes:
        self._emf.flush()
        return self._exporter.render()


def _documents(series: Mapping[_Series, float | list[float]]) -> list[_Document]:
    documents: list[_Document] = []
    for (name, label), value in series.items():
        fitting = next((one for one in documents if one.has_room(name, label)), None)
        if fitting is None:
            fitting = _Document()
            documents.append(fitting)
        fitting.put(name, label, value)
    return documents


def _by_dimension(document: _Document) -> Iterator[tuple[str, list[str]]]:
    names: dict[str, list[str]] = {}
    for name in document.values:
        names.setdefault(_LABELS[name], []).append(name)
    yield from names.items()


def _unit(name: str) -> str:
    if name.endswith("_seconds"):
        return "Seconds"
    return "Bytes" if name.endswith("_bytes") else "Count"

"""Lines for CloudWatch: the names of /metrics, each line valid by itself, nothing told twice."""

import io
import json
from typing import Any

import pytest

from core.adapters.emf import MOST_VALUES, EmfBeside, EmfMetrics
from core.adapters.prometheus import PrometheusMetrics
from core.model.errors import ConfigurationError
from core.settings_metrics import MetricsSettings
from tests.clock import ManualClock


class Told:
    """What was written, line by line."""

    def __init__(self) -> None:
        self.stream = io.StringIO()
        self.metrics = EmfMetrics(
            process="edge", namespace="memtrace", clock=ManualClock(), stream=self.stream
        )

    def lines(self) -> list[Any]:
        self.metrics.flush()
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


@pytest.fixture
def told() -> Told:
    return Told()


def dimensions(line: Any) -> dict[str, list[str]]:
    """Of each metric of a line."""
    found = {}
    for directive in line["_aws"]["CloudWatchMetrics"]:
        assert len(directive["Dimensions"]) == 1
        for metric in directive["Metrics"]:
            found[metric["Name"]] = directive["Dimensions"][0]
    return found


def test_what_one_request_counts_is_one_line(told: Told) -> None:
    told.metrics.count("memtrace_requests_total", 1, "2xx")
    told.metrics.count("memtrace_writes_total", 3, "created")
    told.metrics.observe("memtrace_request_seconds", 0.012, "write")
    told.metrics.observe("memtrace_commit_rows", 3)
    [line] = told.lines()
    assert line["memtrace_writes_total"] == 3
    assert line["memtrace_request_seconds"] == [0.012]
    assert (line["process"], line["status"], line["outcome"], line["kind"]) == (
        "edge",
        "2xx",
        "created",
        "write",
    )
    assert dimensions(line) == {
        "memtrace_requests_total": ["process", "status"],
        "memtrace_writes_total": ["process", "outcome"],
        "memtrace_request_seconds": ["process", "kind"],
        "memtrace_commit_rows": ["process"],
    }


def test_every_line_says_when_and_where_to(told: Told) -> None:
    told.metrics.count("memtrace_requests_total", 1, "2xx")
    [line] = told.lines()
    assert line["_aws"]["Timestamp"] == 1_780_000_000_000
    assert [d["Namespace"] for d in line["_aws"]["CloudWatchMetrics"]] == ["memtrace"]


def test_two_labels_of_one_metric_need_two_lines(told: Told) -> None:
    told.metrics.count("memtrace_writes_total", 3, "created")
    told.metrics.count("memtrace_writes_total", 2, "duplicate")
    lines = told.lines()
    assert [(line["outcome"], line["memtrace_writes_total"]) for line in lines] == [
        ("created", 3),
        ("duplicate", 2),
    ]


def test_metrics_that_call_their_label_alike_do_not_mix(told: Told) -> None:
    told.metrics.count("memtrace_queries_total", 1, "list")
    told.metrics.observe("memtrace_request_seconds", 0.5, "read")
    found = {line["kind"]: sorted(dimensions(line)) for line in told.lines()}
    assert found == {"list": ["memtrace_queries_total"], "read": ["memtrace_request_seconds"]}


def test_units_follow_the_names(told: Told) -> None:
    told.metrics.gauge("memtrace_buffer_bytes", 7)
    told.metrics.gauge("memtrace_oldest_owed_seconds", 1.5)
    told.metrics.gauge("memtrace_buffer_size", 2)
    [line] = told.lines()
    units = {m["Name"]: m["Unit"] for d in line["_aws"]["CloudWatchMetrics"] for m in d["Metrics"]}
    assert units == {
        "memtrace_buffer_bytes": "Bytes",
        "memtrace_oldest_owed_seconds": "Seconds",
        "memtrace_buffer_size": "Count",
    }


def test_nothing_is_told_twice(told: Told) -> None:
    told.metrics.count("memtrace_writes_total", 1, "created")
    told.metrics.gauge("memtrace_buffer_size", 2)
    told.metrics.observe("memtrace_commit_seconds", 0.1)
    assert len(told.lines()) == len(told.lines()) == 1


def test_where_nothing_came_nothing_is_written(told: Told) -> None:
    assert told.lines() == []


def test_counts_are_summed_and_times_are_kept(told: Told) -> None:
    for value in (0.1, 0.2):
        told.metrics.count("memtrace_requests_total", 2, "2xx")
        told.metrics.observe("memtrace_commit_seconds", value)
    [line] = told.lines()
    assert (line["memtrace_requests_total"], line["memtrace_commit_seconds"]) == (4, [0.1, 0.2])


def test_no_line_holds_more_values_than_are_taken(told: Told) -> None:
    for _ in range(2 * MOST_VALUES + 1):
        told.metrics.observe("memtrace_commit_seconds", 0.1)
    assert [len(line["memtrace_commit_seconds"]) for line in told.lines()] == [MOST_VALUES, MOST_VALUES, 1]


def test_the_gauges_can_be_shown_and_nothing_else(told: Told) -> None:
    told.metrics.count("memtrace_requests_total", 1, "2xx")
    told.metrics.gauge("memtrace_buffer_size", 12)
    told.lines()
    assert told.metrics.render().decode().splitlines() == [
        "# HELP memtrace_buffer_size Memories in the journal that are not settled.",
        "# TYPE memtrace_buffer_size gauge",
        "memtrace_buffer_size 12",
    ]


def test_a_closed_stream_fails_nobody(told: Told) -> None:
    told.metrics.count("memtrace_requests_total", 1, "2xx")
    told.stream.close()
    told.metrics.flush()


def test_beside_prometheus_the_lines_are_written_when_it_is_asked(told: Told) -> None:
    both = EmfBeside(PrometheusMetrics("flusher"), told.metrics)
    both.count("memtrace_flushes_total", 2, "delivered")
    both.observe("memtrace_arc_latency_seconds", 0.3, "append")
    both.gauge("memtrace_open_circuits", 1)
    text = both.render().decode()
    assert 'memtrace_flushes_total{outcome="delivered"} 2.0' in text
    assert "memtrace_open_circuits 1.0" in text
    [line] = [json.loads(line) for line in told.stream.getvalue().splitlines()]
    assert line["memtrace_flushes_total"] == 2
    assert line["memtrace_arc_latency_seconds"] == [0.3]
    assert line["memtrace_open_circuits"] == 1


@pytest.mark.parametrize("name", ["", "AWS/Lambda", ":x", "a\nb", "é", "x" * 256])
def test_a_namespace_that_cloudwatch_refuses_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"metrics\.namespace must be"):
        MetricsSettings(namespace=name)

"""Metrics in Prometheus form: every name there is, each process its own, one valid text of both."""

import re
from typing import get_args

import pytest
from prometheus_client.parser import text_string_to_metric_families

from core.adapters.prometheus import PrometheusMetrics
from core.exposition import joined
from core.families import FAMILIES
from core.telemetry import MetricName


def samples(text: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(text.decode())
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for f in families for s in f.samples}


def test_every_metric_name_has_a_family() -> None:
    assert set(FAMILIES) == set(get_args(MetricName))


def test_counters_end_in_total_and_nothing_else_does() -> None:
    for name, family in FAMILIES.items():
        assert name.endswith("_total") is (family.kind == "counter")


def test_a_counter_counts_by_its_label() -> None:
    metrics = PrometheusMetrics("server")
    metrics.count("memtrace_writes_total", 3, "created")
    metrics.count("memtrace_writes_total", label="created")
    found = samples(metrics.render())
    assert found["memtrace_writes_total", (("outcome", "created"),)] == 4
    assert found["memtrace_writes_total", (("outcome", "duplicate"),)] == 0


def test_a_gauge_shows_the_last_value() -> None:
    metrics = PrometheusMetrics("server")
    metrics.gauge("memtrace_buffer_size", 5)
    metrics.gauge("memtrace_buffer_size", 2)
    assert samples(metrics.render())["memtrace_buffer_size", ()] == 2


def test_a_histogram_sums_and_counts() -> None:
    metrics = PrometheusMetrics("server")
    metrics.observe("memtrace_commit_rows", 100)
    metrics.observe("memtrace_commit_rows", 3)
    found = samples(metrics.render())
    assert found["memtrace_commit_rows_sum", ()] == 103
    assert found["memtrace_commit_rows_bucket", (("le", "5.0"),)] == 1


def test_a_label_nobody_foresaw_is_counted_too() -> None:
    metrics = PrometheusMetrics("server")
    metrics.count("memtrace_key_checks_total", label="guessed")
    assert samples(metrics.render())["memtrace_key_checks_total", (("outcome", "guessed"),)] == 1


def test_a_metric_of_the_other_process_is_counted_too() -> None:
    metrics = PrometheusMetrics("server")
    metrics.count("memtrace_flushed_total", 7)
    assert samples(metrics.render())["memtrace_flushed_total", ()] == 7


def test_no_created_series_are_shown() -> None:
    assert b"_created" not in PrometheusMetrics("server").render()


@pytest.mark.parametrize(("process", "told"), [("server", True), ("flusher", False)])
def test_only_the_server_tells_of_its_process(process: str, told: bool) -> None:
    metrics = PrometheusMetrics("server" if process == "server" else "flusher")
    assert (b"process_resident_memory_bytes" in metrics.render()) is told


def test_both_processes_texts_make_one_with_every_family_once() -> None:
    server, flusher = PrometheusMetrics("server"), PrometheusMetrics("flusher")
    server.observe("memtrace_arc_latency_seconds", 0.2, "identities")
    flusher.observe("memtrace_arc_latency_seconds", 0.3, "identities")
    flusher.count("memtrace_flushed_total", 7)
    text = joined(server.render(), flusher.render())
    heads = re.findall(rb"^# TYPE (\S+)", text, re.MULTILINE)
    assert len(heads) == len(set(heads))
    found = samples(text)
    assert found["memtrace_flushed_total", ()] == 7
    for process, value in (("server", 0.2), ("flusher", 0.3)):
        labels = (("call", "identities"), ("process", process))
        assert found["memtrace_arc_latency_seconds_sum", labels] == value


def test_series_of_one_family_stand_together() -> None:
    one = b'# HELP a_total A.\n# TYPE a_total counter\na_total{x="1"} 1.0\n# TYPE b gauge\nb 1.0\n'
    two = b'# HELP a_total A.\n# TYPE a_total counter\na_total{x="2"} 2.0\n'
    assert joined(one, two).decode().splitlines() == [
        "# HELP a_total A.",
        "# TYPE a_total counter",
        'a_total{x="1"} 1.0',
        'a_total{x="2"} 2.0',
        "# TYPE b gauge",
        "b 1.0",
    ]


def test_a_sample_without_a_head_and_comments_do_no_harm() -> None:
    assert joined(b"# a comment\n\nlonely_total 1.0\n") == b"lonely_total 1.0\n"


def test_nothing_joined_is_nothing() -> None:
    assert joined() == b""
    assert joined(b"", b"") == b""

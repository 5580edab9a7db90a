"""Log lines as they leave: their shape, their level, their stream."""

import io
import json
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from core import logs


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def logger() -> Any:
    return structlog.get_logger("test")


def json_lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_json_line_has_time_level_event_process_and_fields() -> None:
    stream = io.StringIO()
    logs.configure("info", "json", "command", stream)
    logger().info("server_started", port=9100, data=None)
    (line,) = json_lines(stream)
    assert list(line)[:3] == ["time", "level", "event"]
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info",
        "event": "server_started",
        "port": 9100,
        "data": None,
        "process": "command",
    }


def test_what_was_attached_ends_with_the_next_configuration() -> None:
    stream = io.StringIO()
    logs.attach(client_ip="192.0.2.1")
    logs.configure("info", "json", "command", stream)
    logger().info("server_started")
    (line,) = json_lines(stream)
    assert "client_ip" not in line


def test_a_console_line_is_one_plain_line() -> None:
    stream = io.StringIO()
    logs.configure("info", "console", "command", stream)
    logger().warning("circuit_opened", org_id="org_1", reason="not there", nothing="")
    _, _, rest = stream.getvalue().partition(" ")
    assert rest == 'warning circuit_opened  org_id=org_1 reason="not there" nothing="" process=command\n'


def test_colours_are_for_terminals_alone() -> None:
    for stream, coloured in ((io.StringIO(), False), (Terminal(), True)):
        logs.configure("info", "console", "command", stream)
        logger().error("step_failed")
        assert ("\x1b[31m" in stream.getvalue()) is coloured


def test_hostile_text_cannot_forge_a_line() -> None:
    stream = io.StringIO()
    logs.configure("info", "console", "command", stream)
    logger().info("request_failed", path="/x\n2026 info forged\x1b[2J")
    assert len(stream.getvalue().splitlines()) == 1
    assert "\x1b" not in stream.getvalue()


@pytest.mark.parametrize(
    ("level", "seen"), [("debug", "diwe"), ("info", "iwe"), ("warn", "we"), ("error", "e")]
)
def test_less_important_lines_are_left_out(level: logs.Level, seen: str) -> None:
    stream = io.StringIO()
    logs.configure(level, "json", "command", stream)
    for write in (logger().debug, logger().info, logger().warning, logger().error):
        write("step_failed")
    assert "".join(line["level"][0] for line in json_lines(stream)) == seen


def test_secrets_are_masked_in_every_format() -> None:
    for format in ("json", "console"):
        stream = io.StringIO()
        logs.configure("info", format, "command", stream)
        logger().info("key_unsealable", api_key="sesame", note="mtk_sesame", nested={"secret": "sesame"})
        assert "sesame" not in stream.getvalue()


def test_a_traceback_follows_its_line() -> None:
    stream = io.StringIO()
    logs.configure("info", "console", "command", stream)
    try:
        raise ValueError("mtk_sesame")
    except ValueError:
        logger().error("step_failed", exc_info=True)
    first, *trace = stream.getvalue().splitlines()
    assert "step_failed" in first
    assert trace[-1] == "    ValueError: mtk_****"


def test_what_libraries_log_takes_the_same_way() -> None:
    stream = io.StringIO()
    logs.configure("info", "json", "command", stream)
    logging.getLogger("httpx").warning("GET %s", "https://arc.example/q?sql=content")
    logging.getLogger("uvicorn.error").error("it broke")
    first, second = json_lines(stream)
    assert (first["event"], first["level"], first["library"]) == ("library_message", "warning", "httpx")
    assert first["message"] == "GET https://arc.example/q?…"
    assert (second["level"], second["message"]) == ("error", "it broke")


def test_what_libraries_say_for_information_is_left_out() -> None:
    stream = io.StringIO()
    logs.configure("debug", "json", "command", stream)
    logging.getLogger("uvicorn.error").info("Started server process")
    assert stream.getvalue() == ""


def test_a_library_s_error_brings_its_traceback() -> None:
    stream = io.StringIO()
    logs.configure("info", "json", "command", stream)
    try:
        raise ValueError
    except ValueError:
        logging.getLogger("asyncio").exception("it broke")
    assert "Traceback" in json_lines(stream)[0]["exception"]


def test_warnings_become_log_lines() -> None:
    stream = io.StringIO()
    logs.configure("info", "json", "command", stream)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    logging.captureWarnings(False)
    assert json_lines(stream)[0]["library"] == "py.warnings"


def test_a_stream_that_is_gone_fails_nobody() -> None:
    stream = io.StringIO()
    logs.configure("info", "json", "command", stream)
    stream.close()
    logger().info("server_started")


def test_it_may_be_configured_again() -> None:
    first, second = io.StringIO(), io.StringIO()
    logs.configure("error", "console", "command", first)
    logs.configure("info", "json", "command", second)
    logger().info("server_started")
    assert first.getvalue() == ""
    assert len(json_lines(second)) == 1


def test_standard_error_is_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json", "command")
    logger().info("server_started")
    assert json.loads(capsys.readouterr().err)["event"] == "server_started"


def test_a_value_that_json_does_not_know_is_told_as_text() -> None:
    stream = io.StringIO()
    logs.configure("info", "json", "command", stream)
    logger().info("server_started", size=complex(1, 2), ratio=float("nan"), path="a\udcff")
    assert json_lines(stream)[0]["size"] == "(1+2j)"
    assert json_lines(stream)[0]["ratio"] is None

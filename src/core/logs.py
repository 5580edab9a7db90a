"""How log lines leave a process: filtered, stamped, redacted, and written to stderr as text or JSON.

Services emit through `telemetry`; what libraries log through the standard library takes the
same way out, so that a stream of JSON lines holds nothing else.
"""

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Final, Literal, TextIO

import msgspec

from core.frugal import EventDict, Processor, WrappedLogger, structlog
from core.redaction import printable, redacted, without_queries

Level = Literal["debug", "info", "warn", "error"]
Format = Literal["console", "json"]
Process = Literal["server", "flusher", "command", "edge"]

_LEVELS: Final[dict[Level, int]] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
}
_attached: Final[dict[str, object]] = {}
_FIRST: Final = ("time", "level", "event")
_COLOURS: Final = {"debug": "2", "info": "32", "warning": "33", "error": "31", "critical": "31"}


def configure(level: Level, format: Format, process: Process, stream: TextIO | None = None) -> None:
    """Sends everything that is logged from now on to `stream` (stderr). May be called again.

    In the long-lived processes, "server" and "flusher", loggers keep what the first call said. What was
    attached to lines before is not any more.
    """
    _attached.clear()
    stream = stream or sys.stderr
    structlog.configure(
        processors=_processors(format, process, coloured=stream.isatty()),
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=lambda *_: _Lines(stream),
        cache_logger_on_first_use=process != "command",
    )
    root = logging.getLogger()
    root.handlers[:] = [_Foreign()]
    # What libraries say for information (a server started, a request was sent) we say ourselves.
    root.setLevel(max(logging.WARNING, _LEVELS[level]))
    logging.captureWarnings(True)


def attach(**fields: object) -> None:
    """What every line of this process says from now on, instead of what was attached before."""
    _attached.clear()
    _attached.update(fields)


def _processors(format: Format, process: Process, *, coloured: bool) -> list[Processor]:
    def named(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        event["process"] = process
        for field, value in _attached.items():
            event.setdefault(field, value)
        return event

    render: Processor = _json
    if format == "console":
        render = _coloured if coloured else _plain
    return [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.format_exc_info,
        named,
        _redact,
        render,
    ]


def _redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """The last line of defence: nobody should have logged a secret in the first place."""
    return {name: redacted(name, value) for name, value in event.items()}


def _json(_: WrappedLogger, __: str, event: EventDict) -> str:
    ordered = {name: event.pop(name) for name in _FIRST if name in event} | dict(event)
    return msgspec.json.encode(ordered, enc_hook=str).decode()


def _plain(_: WrappedLogger, __: str, event: EventDict) -> str:
    return _line(event, {})


def _coloured(_: WrappedLogger, __: str, event: EventDict) -> str:
    return _line(event, _COLOURS)


def _line(event: MutableMapping[str, Any], colours: Mapping[str, str]) -> str:
    """`12:00:00 info  server_started  port=9100`; a traceback follows on lines of its own."""
    time, level, name = (str(event.pop(key, "")) for key in _FIRST)
    trace = event.pop("exception", "")
    fields = " ".join(f"{key}={_value(value)}" for key, value in event.items())
    colour = colours.get(level)
    shown = f"\x1b[{colour}m{level:<7}\x1b[0m" if colour else f"{level:<7}"
    line = f"{time} {shown} {printable(name)}  {fields}".rstrip()
    return "\n".join([line, *(f"    {printable(part)}" for part in str(trace).splitlines())])


def _value(value: object) -> str:
    if not isinstance(value, str):
        return printable(str(value))
    shown = printable(value)
    return f'"{shown}"' if not shown or " " in shown else shown


class _Lines:
    """Writes whole lines. Where nobody can be told any more, nobody is."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        try:
            self._stream.write(f"{line}\n")
            self._stream.flush()
        except (OSError, ValueError):
            # A full disk or a closed pipe must not fail the request that wanted to log.
            return

    debug = info = warning = error = critical = msg


class _Foreign(logging.Handler):
    """Takes what libraries log into the same stream, without the query strings of URLs."""

    def emit(self, record: logging.LogRecord) -> None:
        logger = structlog.get_logger()
        write = logger.error if record.levelno >= logging.ERROR else logger.warning
        message = without_queries(record.getMessage())
        write("library_message", library=record.name, message=message, exc_info=record.exc_info)

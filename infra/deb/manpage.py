"""Prints the manual page of the `memtrace` command, from what the command says of itself."""

import sys
from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from core.version import VERSION
from handlers.cli.main import app

_FILES = {
    "/etc/memtrace/memtrace.toml": "the configuration",
    "/etc/memtrace/memtrace.env": "the master key, and variables that are stronger than the configuration",
    "/var/lib/memtrace": "the database, and stores that were bound to a folder in it",
    "/usr/share/doc/memtrace/examples/memtrace.toml": "every setting with its default",
}


def page() -> Iterator[str]:
    """The lines, in roff."""
    yield f'.TH MEMTRACE 1 "" "memtrace {VERSION}" "User Commands"'
    yield from (".SH NAME", r"memtrace \- memory for fleets of AI agents")
    yield from (".SH SYNOPSIS", ".B memtrace", r"[\-\-config PATH] COMMAND [OPTIONS]")
    yield from (".SH DESCRIPTION", *_description())
    yield ".SH COMMANDS"
    for words, command in _commands(get_command(app), "memtrace"):
        yield from (".TP", f".B {_text(_usage(words, command))}", *_said(command.help or ""))
    yield ".SH FILES"
    for path, meaning in _FILES.items():
        yield from (".TP", f".I {_text(path)}", _text(meaning))


def _description() -> Iterator[str]:
    yield from _said("Without a command: serve. Exit codes: 0; 1 for an error; 2 for wrong usage.")
    yield ".PP"
    yield from _said(
        "The installed command works on the installed service, and as its user when root calls it. "
        "With dev, or a configuration named by --config or MEMTRACE_CONFIG, it does not."
    )


def _commands(command: Any, words: str) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield words, command
    else:
        for name, child in inner.items():
            yield from _commands(child, f"{words} {name}")


def _usage(words: str, command: Any) -> str:
    shown = [p for p in command.params if not getattr(p, "hidden", False) and p.name != "help"]
    options = [f"[{max(p.opts, key=len)}]" for p in shown if p.param_type_name == "option"]
    arguments = [p.metavar or p.name.upper() for p in shown if p.param_type_name == "argument"]
    return " ".join([words, *arguments, *options])


def _said(text: str) -> list[str]:
    return [_text(line.strip()) for line in text.splitlines() if line.strip()]


def _text(text: str) -> str:
    escaped = text.replace("\\", r"\e").replace("-", r"\-")
    return rf"\&{escaped}" if escaped.startswith((".", "'")) else escaped


if __name__ == "__main__":
    sys.stdout.write("\n".join(page()) + "\n")

"""The admin function: one command of `memtrace` inside a deployment, invoked with IAM.

The event is `{"arguments": ["org", "create", "acme"], "input": "", "confirmed": false}`, the answer
`{"exit_code": 0, "output": "…", "errors": "", "question": ""}`. A `question` that is not empty asks
for the caller's consent: nothing was done, and the same event with `confirmed` does it. It is never
behind the public API. Its log says which command ran and how it ended, and never what it was given
or what it answered: keys come in and go out here.
"""

import contextlib
import io
import json
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from handlers.cli.main import commands, run
from handlers.cli.output import Consent, asking
from handlers.cli.remote import LOCAL

_MOST_BYTES: Final = 5 * 1024 * 1024
"""Of an answer: a function may answer 6 MB, and JSON escapes some of it."""
_MOST_ARGUMENTS: Final = 200
_MISUSED: Final = 2


@dataclass(frozen=True, slots=True)
class Asked:
    """One command, as the event has it."""

    arguments: tuple[str, ...]
    input: str
    confirmed: bool

    @property
    def name(self) -> str:
        """The command without what it was given; `?` where there is no such command."""
        known = commands()
        for length in (2, 1):
            if (name := " ".join(self.arguments[:length])) in known:
                return name
        return "?"


def handler(event: object, context: object) -> dict[str, Any]:
    """Runs one command to its end. Never raises for what a caller sent."""
    began = time.monotonic()
    asked = _asked(event)
    if isinstance(asked, str):
        answer = _answer(_MISUSED, "", f"memtrace: error: {asked}\n", "")
        name = "?"
    else:
        name = asked.name
        answer = _refused(name) if name in LOCAL else _carried_out(asked)
    line = {
        "event": "command_run",
        "process": "admin",
        "command": name,
        "exit_code": answer["exit_code"],
        "asks": bool(answer["question"]),
        "ms": round((time.monotonic() - began) * 1000),
        "aws_request_id": str(getattr(context, "aws_request_id", "")),
    }
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
    return answer


def _asked(event: object) -> Asked | str:
    """The command, or what is wrong with the event."""
    if not isinstance(event, Mapping):
        return "the event must be an object"
    arguments, given = event.get("arguments"), event.get("input", "")
    confirmed = event.get("confirmed", False)
    if not isinstance(arguments, list) or not all(isinstance(one, str) for one in arguments):
        return "`arguments` must be a list of texts"
    if not 0 < len(arguments) <= _MOST_ARGUMENTS:
        return f"`arguments` must hold 1 to {_MOST_ARGUMENTS} texts"
    if not isinstance(given, str) or not isinstance(confirmed, bool):
        return "`input` must be a text and `confirmed` true or false"
    if arguments[0].startswith("-") and arguments[0] != "--help":
        return "`arguments` must begin with a command"
    return Asked(tuple(arguments), given, confirmed)


def _refused(name: str) -> dict[str, Any]:
    words = f"memtrace: error: `{name}` works on the machine it is called on, not in a deployment"
    return _answer(_MISUSED, "", f"{words} (call it without --stack and --function)\n", "")


def _carried_out(asked: Asked) -> dict[str, Any]:
    output, errors = io.StringIO(), io.StringIO()
    consent = Consent(asked.confirmed)
    with _streams(io.StringIO(asked.input), output, errors), asking(consent):
        code = _ended(asked.arguments)
    question = "" if consent.given else consent.question
    if len(output.getvalue().encode("utf-8", "replace")) > _MOST_BYTES:
        words = "memtrace: error: the answer is too large for a function (ask for less with --limit)\n"
        return _answer(1, "", words, "")
    return _answer(code, output.getvalue(), errors.getvalue(), question)


def _ended(arguments: tuple[str, ...]) -> int:
    try:
        return run(arguments)
    except Exception as error:  # noqa: BLE001 - a defect of ours, and its text may quote what it was given
        sys.stderr.write(f"memtrace: error: internal error ({type(error).__name__})\n")
        return 1


def _answer(code: int, output: str, errors: str, question: str) -> dict[str, Any]:
    return {"exit_code": code, "output": output, "errors": errors, "question": question}


@contextlib.contextmanager
def _streams(given: io.StringIO, output: io.StringIO, errors: io.StringIO) -> Iterator[None]:
    """What a command reads and writes goes to its caller, and not into the function's log."""
    before = sys.stdin
    sys.stdin = given
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            yield
    finally:
        sys.stdin = before

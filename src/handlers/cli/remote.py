"""`memtrace --stack NAME …` and `--function NAME …`: the same command, inside a deployment in AWS.

The admin function carries it out; what a command reads here (`-`, a yes) is brought to it.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

from typer.core import TyperGroup

from core.model.errors import InvalidRequest, Unavailable
from handlers.cli.output import clean, confirmed

LOCAL: Final = frozenset(
    (
        "backup",
        "cost",
        "dev",
        "export",
        "flusher",
        "health",
        "import",
        "keygen master",
        "mcp",
        "migrate",
        "restore",
        "serve",
    )
)
"""Commands about files, processes or keys of the machine that they are called on."""
_STDIN: Final = "-"
_MOST_INPUT: Final = 64 * 1024
_OPTIONS: Final = ("stack", "function")

Invoke = Callable[[dict[str, Any]], dict[str, Any]]


class RemoteGroup(TyperGroup):
    """The root of all commands; with `stack` or `function` given, none of them runs here."""

    def invoke(self, ctx: Any) -> Any:
        stack, function = (str(ctx.params.get(name) or "") for name in _OPTIONS)
        if not stack and not function:
            return super().invoke(ctx)
        if stack and function:
            raise InvalidRequest("give --stack or --function, not both")
        if ctx.params.get("config"):
            raise InvalidRequest("--config is of no use here: a deployment has its own configuration")
        arguments = [*ctx._protected_args, *ctx.args]
        _refuse_local(arguments)
        from core.bootstrap.remote import open_invoker

        return carried_out(arguments, open_invoker(stack=stack, function=function))


def _refuse_local(arguments: Sequence[str]) -> None:
    if not arguments:
        raise InvalidRequest("name the command that the deployment is to carry out")
    for length in (1, 2):
        if (name := " ".join(arguments[:length])) in LOCAL:
            raise InvalidRequest(
                f"`{name}` works on the machine it is called on, not in a deployment",
                hint="call it without --stack and --function",
            )


def carried_out(arguments: Sequence[str], invoke: Invoke) -> int:
    """The exit code of the command there; its output and its errors are shown here."""
    event = {"arguments": list(arguments), "input": _input(arguments), "confirmed": False}
    answer = invoke(event)
    if question := str(answer.get("question", "")):
        if not confirmed(question, yes=False):
            raise InvalidRequest("nothing was done: not confirmed", hint="use --yes")
        answer = invoke({**event, "confirmed": True})
    sys.stdout.write(str(answer.get("output", "")))
    sys.stderr.write(clean(str(answer.get("errors", "")), kept="\n"))
    code = answer.get("exit_code")
    if not isinstance(code, int):
        raise Unavailable("the admin function gave no answer that can be read", hint="look at its log")
    return code


def _input(arguments: Sequence[str]) -> str:
    """What is to be read: a secret, where an argument is `-` or the admin key is asked for."""
    asks = _STDIN in arguments or (
        list(arguments[:2]) == ["org", "set-admin-key"]
        and not any(one == "--remove" or one.startswith("--admin-key") for one in arguments)
    )
    return sys.stdin.readline(_MOST_INPUT) if asks else ""

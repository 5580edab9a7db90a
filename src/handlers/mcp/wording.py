"""What went wrong, in words with which a model can do better, or knows that it cannot."""

from collections.abc import Mapping
from typing import Final

from handlers.mcp.calls import Refusal

Names = Mapping[str, str]
"""Fields of the REST API that a tool calls otherwise."""

_REPEATING: Final = "Repeating the call will not help."
_WAYS_OUT: Final[Mapping[str, str]] = {
    "unauthenticated": "The user has to set a valid API key (MEMTRACE_API_KEY, or the header of the"
    f" connection). {_REPEATING}",
    "forbidden": f"The user needs a key with that permission. {_REPEATING}",
    "no_arc_instance": _REPEATING,
    "invalid_request": "Correct that and call the tool again.",
    "request_too_large": "Send less at a time.",
    "invalid_cursor": "Call again without `cursor`, or with a `next_cursor` exactly as it was answered.",
    "not_found": "Check the id; memtrace_search and memtrace_recall show what there is.",
    "store_denied": f"The operator has to repair it. {_REPEATING}",
    "store_refused": f"The operator has to repair it. {_REPEATING}",
    "unexpected_answer": "The user should check that MEMTRACE_URL is the address of a Memtrace server.",
}
_LATER: Final = "Nothing is wrong with the call: try again later. What is remembered twice is stored once."


def told(refusal: Refusal, names: Names) -> str:
    """The error as a tool's result: what, why, and the way out. Never a trace, never a key."""
    message, field = refusal.message, str(refusal.fields.get("field") or "")
    ours = _renamed(field, names)
    if ours != field and message.startswith(field):
        message = ours + message[len(field) :]
    lines = [f"Error ({refusal.code}): {_sentence(message)}"]
    if ours:
        lines.append(f"Argument: {ours}")
    if refusal.hint:
        lines.append(f"Hint: {_sentence(refusal.hint)}")
    lines.append(_way_out(refusal))
    if request_id := refusal.fields.get("request_id"):
        lines.append(f"(request {request_id})")
    return "\n".join(lines)


def _sentence(words: str) -> str:
    return words if words.endswith(".") else f"{words}."


def _renamed(field: str, names: Names) -> str:
    for theirs, ours in names.items():
        if field == theirs or field.startswith((f"{theirs}.", f"{theirs}[")):
            return ours
    return field


def _way_out(refusal: Refusal) -> str:
    if refusal.retry_after is not None:
        return f"Wait {refusal.retry_after} s and call again. What is remembered twice is stored once."
    return _WAYS_OUT.get(refusal.code, _LATER)

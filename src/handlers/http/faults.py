"""Where an unexpected error came from, in a form that is safe to log."""

import traceback


def fault_of(error: BaseException) -> str:
    """The types of the error and its causes with the frames they came through.

    No messages and no values: either may hold what a caller sent.
    """
    parts: list[str] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        frames = traceback.extract_tb(current.__traceback__)
        parts.append(f"{type(current).__name__}\n" + "".join(traceback.format_list(frames)))
        current = current.__cause__ or current.__context__
    return "after ".join(parts)

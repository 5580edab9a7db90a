"""What the protocol tells the application of a request beyond ASGI: keys of its scope."""

from typing import Final

ARRIVED: Final = "memtrace.arrived"
"""When its head was complete, in monotonic seconds."""
QUEUED: Final = "memtrace.queued"
"""There where it waits for the answers to earlier requests of its own connection."""
SPARE: Final = "memtrace.spare"
"""There where its connection is beyond the bound, and may ask for probes only."""
TAKEN: Final = "memtrace.taken"
"""A function; what it is given once the answer was sent is called when the client took it or is gone."""

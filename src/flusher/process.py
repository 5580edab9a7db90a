"""One flusher as a process: its settings, its signals, its parent."""

import contextlib
from typing import Final

from core.settings import Settings
from flusher.batcher import BatchLimits
from flusher.ports import FlusherLimits, FlusherPorts
from flusher.service import Flusher
from flusher.stopping import Stop, on_parents_death, on_signals

_DRAIN_SHARE: Final = 0.5
"""Of the shutdown time: the rest is for what was under way, and for closing."""


def limits_of(settings: Settings) -> FlusherLimits:
    """The flusher's part of the settings."""
    arc, own = settings.arc, settings.flusher
    return FlusherLimits(
        batch=BatchLimits(
            count=arc.write_batch_size,
            bytes=arc.write_batch_bytes,
            age=arc.write_flush_interval_ms / 1000,
            largest_count=own.max_batch_memories,
            largest_bytes=own.max_batch_bytes,
            share=own.max_held_bytes_per_org,
            total=own.max_held_bytes,
        ),
        receive_bytes=min(8 << 20, own.max_held_bytes // 4),
        deliveries=own.max_deliveries,
        probes=max(1, own.max_deliveries // 4),
        confirm=arc.confirm,
        append_timeout=own.append_timeout,
        read_timeout=2 * arc.query_timeout,
        rounds=own.max_rounds,
        lease=own.lease_seconds,
        window=settings.dedup.window_hours * 3600,
    )


def drain_seconds_of(settings: Settings) -> float:
    """How long an orderly stop may go on sending what is held."""
    return settings.server.shutdown_timeout * _DRAIN_SHARE


async def serve(
    ports: FlusherPorts, limits: FlusherLimits, *, drain_seconds: float, wait: bool, is_child: bool
) -> None:
    """Flushes until a signal, or, as a child, the parent's death. Raises HeldByOther unless `wait`."""
    stop = Stop(drain_seconds)
    with contextlib.ExitStack() as stack:
        stack.enter_context(on_signals(stop))
        if is_child:
            stack.enter_context(on_parents_death(stop))
        await Flusher(ports, limits).run(stop, wait=wait)

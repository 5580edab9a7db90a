"""One flusher as a process: its settings, its signals, its parent."""

import contextlib
from dataclasses import dataclass
from typing import Final

from core.settings import Settings
from flusher.batcher import BatchLimits
from flusher.ports import FlusherLimits, FlusherPorts
from flusher.service import Flusher
from flusher.stopping import Stop, on_parents_death, on_signals

_DRAIN_SHARE: Final = 0.8
"""Of the shutdown time, for sending: the rest is for giving back, and for closing."""
_CHILDS_SHARE: Final = 0.5
"""Beside a server, which uses part of the time before."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How one process is run."""

    shutdown: float
    """Seconds that an orderly stop may take in all."""
    drain: float
    """Of these, seconds for sending what is held."""
    wait: bool = False
    """Whether to stand by while another process flushes."""
    is_child: bool = False
    """Whether it ends with its parent."""
    health_host: str = ""
    health_port: int = 0
    """0: nobody may ask for its health."""


def manner_of(settings: Settings, *, wait: bool, child: bool) -> Manner:
    """What the settings say of the process, and how it was called."""
    own = settings.flusher
    shutdown = settings.server.shutdown_timeout if child else own.shutdown_timeout
    return Manner(
        shutdown=shutdown,
        drain=shutdown * (_CHILDS_SHARE if child else _DRAIN_SHARE),
        wait=wait or child,
        is_child=child,
        health_host=own.health_host,
        health_port=own.health_port,
    )


async def serve(ports: FlusherPorts, limits: FlusherLimits, manner: Manner) -> None:
    """Flushes until a signal, or, as a child, the parent's death.

    Raises HeldByOther where it is not to wait, and ConfigurationError.
    """
    stop, flusher = Stop(manner.drain), Flusher(ports, limits)
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(on_signals(stop, seconds=manner.shutdown))
        if manner.is_child:
            stack.enter_context(on_parents_death(stop))
        if manner.health_port:
            from flusher.endpoint import answering

            await stack.enter_async_context(
                answering(
                    manner.health_host, manner.health_port, verdict=flusher.verdict, report=ports.report
                )
            )
        await flusher.run(stop, wait=manner.wait)

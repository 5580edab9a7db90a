"""`python -m flusher`, the checkout's form of `memtrace flusher`; both call `run_flusher`."""

import argparse
import asyncio
import random
import sys
from pathlib import Path

from core.bootstrap.flusher import FlusherServices, open_flusher
from core.logs import configure
from core.model.errors import MemtraceError
from core.settings import Settings
from core.settings_source import load
from flusher.ports import FlusherPorts
from flusher.process import limits_of, manner_of, serve


def ports_of(services: FlusherServices) -> FlusherPorts:
    """What bootstrap built, as the flusher wants it."""
    return FlusherPorts(
        clock=services.clock,
        owner=services.backend.owner,
        open_queue=services.open_queue,
        outbox=services.backend.outbox,
        ledger=services.backend.ledger,
        leases=services.backend.leases,
        expiry=services.backend.expiry,
        bindings=services.backend.bindings,
        unseal=services.vault.binding,
        renew_keys=lambda in_vain: services.vault.renew(in_vain=in_vain),
        store_for=services.store.store_for,
        agents=services.backend.agents,
        board=services.backend.board,
        metrics=services.metrics,
        report=services.metrics.render,
        random=random.random,
        pause=asyncio.sleep,
        open_merger=services.open_merger,
        open_remover=services.open_remover,
        admin_key=services.vault.admin_key,
        undertaker=services.backend.undertaker,
        erase=services.backend.deletions.erase,
        orgs=services.backend.orgs,
        seeding=services.seeding,
    )


async def run_flusher(settings: Settings, *, wait: bool = False, child: bool = False) -> None:
    """Flushes until told to stop. Raises HeldByOther when another process does, unless `wait`, or
    where flushers share a queue.

    As a `child` it also ends when its standard input does. Raises ConfigurationError.
    """
    async with open_flusher(settings) as services:
        await serve(ports_of(services), limits_of(settings), manner_of(settings, wait=wait, child=child))


def main(arguments: list[str] | None = None) -> int:
    """The exit code: 0 after an orderly end, 1 with one line on standard error otherwise."""
    parser = argparse.ArgumentParser(prog="flusher", description="Deliver what is owed to the stores.")
    parser.add_argument("--config", type=Path, help="the configuration file")
    parser.add_argument("--wait", action="store_true", help="while another process flushes, wait")
    parser.add_argument("--child", action="store_true", help="end when standard input does")
    given = parser.parse_args(arguments)
    try:
        settings = load(given.config)
        configure(settings.log.level, settings.log.format, "flusher")
        asyncio.run(run_flusher(settings, wait=given.wait or given.child, child=given.child))
    except MemtraceError as error:
        hint = f"; {error.hint}" if error.hint else ""
        sys.stderr.write(f"flusher: {error.message}{hint}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

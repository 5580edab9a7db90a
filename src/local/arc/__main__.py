"""`python -m local.arc --data DIR`: a double as a process of its own, until SIGTERM or SIGINT.

Prints one line, its URL, when it answers. Faults and crashes are asked for at its own doors
(`control.py`).
"""

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from local.arc.double import ArcDouble
from local.arc.settings import ADMIN_TOKEN, ArcSettings


async def serve(settings: ArcSettings, host: str, port: int) -> None:
    """Serves until told to stop; what waits in memory is written out then."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with ArcDouble(settings, host=host, port=port) as double:
        sys.stdout.write(f"{double.url}\n")
        sys.stdout.flush()
        await stop.wait()


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser("python -m local.arc", description="A stand-in for Arc.")
    options.add_argument("--data", type=Path, required=True, help="the folder for its files")
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--port", type=int, default=0, help="0 takes a free one")
    options.add_argument("--token", default=ADMIN_TOKEN, help="the admin token")
    options.add_argument("--buffer-age", type=float, default=0.1, help="seconds that rows wait in memory")
    options.add_argument("--wal", action="store_true", help="replay what was written since the last rotation")
    options.add_argument("--lenient", action="store_true", help="take SQL that Arc takes and gets wrong")
    return options


def main(arguments: list[str]) -> None:
    """Parses and serves. Exits with 2 for arguments that cannot be used, with 1 for a port or a folder."""
    given = parser().parse_args(arguments)
    settings = ArcSettings(
        given.data.absolute(),
        admin_token=given.token,
        buffer_age=given.buffer_age,
        wal=given.wal,
        strict=not given.lenient,
    )
    try:
        asyncio.run(serve(settings, given.host, given.port))
    except OSError as e:
        raise SystemExit(f"cannot serve {given.data} on {given.host}:{given.port}: {e.strerror}") from e


if __name__ == "__main__":
    main(sys.argv[1:])

"""`python -m local.cloud --data DIR --table NAME`: DynamoDB and Secrets Manager on this machine, by moto.

Prints one line, its URL and the ARN of the secret, when both answer and hold what they held before.
"""

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Final

from local.cloud.cloud import Cloud

_EVERY: Final = 30.0
"""Seconds between two snapshots: what came since is in the log."""


async def serve(cloud: Cloud) -> None:
    """Serves until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await asyncio.to_thread(cloud.start)
    sys.stdout.write(f"{cloud.url} {cloud.secret_arn}\n")
    sys.stdout.flush()
    while not stop.is_set():
        try:
            await asyncio.wait_for(stop.wait(), _EVERY)
        except TimeoutError:
            await asyncio.to_thread(cloud.keep)
    await asyncio.to_thread(cloud.stop)


def main(arguments: list[str]) -> None:
    """Parses and serves. The secret's first value comes by MEMTRACE_MASTER_KEY."""
    options = argparse.ArgumentParser("python -m local.cloud", description="DynamoDB and Secrets Manager.")
    options.add_argument("--data", type=Path, required=True, help="the folder for what they hold")
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--port", type=int, default=0, help="0 takes a free one")
    options.add_argument("--table", default="memtrace")
    given = options.parse_args(arguments)
    secret = os.environ.get("MEMTRACE_MASTER_KEY", "")
    try:
        given.data.mkdir(parents=True, exist_ok=True)
        cloud = Cloud(host=given.host, port=given.port, folder=given.data, table=given.table, secret=secret)
        asyncio.run(serve(cloud))
    except (OSError, ValueError) as error:
        raise SystemExit(f"cannot serve {given.data} on {given.host}:{given.port}: {error}") from error


if __name__ == "__main__":
    main(sys.argv[1:])

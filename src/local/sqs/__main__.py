"""`python -m local.sqs`: the stand-in as a process of its own, until SIGTERM or SIGINT.

Prints one line, its URL, when it answers. Messages are in memory alone: a restart loses them, as
it may, since the journal owes what they carried.
"""

import argparse
import asyncio
import signal
import sys

from local.sqs.endpoint import SqsEndpoint


async def serve(host: str, port: int, queue: str, dead: str, most_receives: int) -> None:
    """Serves until told to stop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with SqsEndpoint(host=host, port=port) as endpoint:
        if queue:
            await endpoint.create(queue, dead=dead, most_receives=most_receives)
        sys.stdout.write(f"{endpoint.url}\n")
        sys.stdout.flush()
        await stop.wait()


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser("python -m local.sqs", description="A stand-in for SQS.")
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--port", type=int, default=0, help="0 takes a free one")
    options.add_argument("--queue", default="", help="a queue that is there from the start")
    options.add_argument("--dead-letters", default="", help="and one for its dead messages")
    options.add_argument("--most-receives", type=int, default=3, help="after which a message is dead")
    return options


def main(arguments: list[str]) -> None:
    """Parses and serves. Exits with 2 for arguments that cannot be used, with 1 for a port."""
    given = parser().parse_args(arguments)
    try:
        asyncio.run(serve(given.host, given.port, given.queue, given.dead_letters, given.most_receives))
    except OSError as e:
        raise SystemExit(f"cannot serve on {given.host}:{given.port}: {e.strerror}") from e


if __name__ == "__main__":
    main(sys.argv[1:])

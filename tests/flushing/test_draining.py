"""An orderly end where flushers share a queue: what is held is sent, the rest is given back, all in time."""

import asyncio
import os
import signal
import subprocess
import sys
from dataclasses import replace
from textwrap import dedent

from flusher.process import Manner, serve
from flusher.service import Flusher
from flusher.stopping import Stop
from tests.contract.journals import ACME, OTHER
from tests.flushing.line import LineEnd
from tests.flushing.rig import Rig, eventually

ABCDE = ("a", "b", "c", "d", "e")


def end_of(flusher: Flusher) -> LineEnd:
    assert flusher.road is not None
    assert isinstance(flusher.road.queue, LineEnd)
    return flusher.road.queue


async def test_what_is_held_is_sent_and_its_messages_are_deleted(mills: Rig) -> None:
    await mills.write("a")
    await mills.write("b", org=OTHER)
    await mills.flusher.step()
    await mills.flusher.drain(80)
    await mills.flusher.close()
    assert (mills.store.contents(ACME), mills.store.contents(OTHER)) == (["a"], ["b"])
    assert mills.shared.messages == {}


async def test_what_comes_while_draining_is_left_to_others(mills: Rig) -> None:
    await mills.write("a")
    await mills.flusher.step()
    await mills.write("b")
    await mills.flusher.drain(80)
    assert mills.store.contents(ACME) == ["a"]
    await mills.others[0].step()
    assert mills.others[0].road is not None
    assert mills.others[0].road.batcher.orgs() == [ACME]


async def test_the_lease_is_given_back_before_anything_is_waited_for(mills: Rig) -> None:
    mills.store.hangs[ACME] = asyncio.Event()
    await mills.write(*ABCDE)
    await mills.flusher.step()
    draining = asyncio.create_task(mills.flusher.drain(80))
    for _ in range(100):
        await asyncio.sleep(0.001)
    await mills.others[0].lease.seek()
    await mills.others[0].step()
    assert (mills.flusher.role, mills.others[0].role) == ("stopping", "lease")
    mills.store.hangs.pop(ACME).set()
    await draining


async def test_what_cannot_be_sent_in_time_is_given_to_others_at_once(mills: Rig) -> None:
    mills.store.hangs[ACME] = asyncio.Event()
    await mills.write(*ABCDE)
    await mills.flusher.step()
    draining = asyncio.create_task(mills.flusher.drain(80))
    await eventually(lambda: any(t.get_name() == "flusher deadline" for t in asyncio.all_tasks()))
    await asyncio.sleep(0.001)
    mills.clock.advance(79)
    for _ in range(20):
        await asyncio.sleep(0.001)
    assert not draining.done()
    mills.clock.advance(1)
    await draining
    assert mills.shared.in_flight == 1
    await mills.flusher.close()
    assert mills.shared.in_flight == 0
    assert await mills.states() == (5, 0, 0)
    mills.store.hangs.pop(ACME).set()
    await mills.rounds(3)
    assert mills.store.contents(ACME) == list(ABCDE)


async def test_what_belongs_to_a_dead_store_is_not_waited_for(mills: Rig) -> None:
    await mills.write("a")
    await mills.flusher.step()
    mills.store.down.add(ACME)
    await mills.flusher.drain(80)  # ends without the clock's help
    await mills.flusher.close()
    assert mills.shared.in_flight == 0


async def test_a_queue_that_takes_nothing_back_holds_up_the_end_for_seconds_only(mills: Rig) -> None:
    await mills.write("a")
    await mills.flusher.step()
    end_of(mills.flusher).close_hangs = True
    closing = asyncio.create_task(mills.flusher.close())
    await eventually(lambda: mills.shared.ends[0].closed == 1)
    await asyncio.sleep(0.001)
    mills.clock.advance(mills.limits.closing)
    await closing
    assert mills.shared.in_flight == 1  # until it is visible again


async def test_a_queue_that_fails_at_the_end_is_left_as_it_is(mills: Rig) -> None:
    mills.shared.broken = True
    await mills.flusher.close()
    assert await mills.shop.leases.holder() is None


async def test_a_signal_ends_a_flusher_that_shares_its_queue(mills: Rig) -> None:
    ports = replace(
        mills.ports, owner="c:3", pause=lambda seconds: asyncio.sleep(0.001 if seconds < 60 else 60)
    )
    before = signal.getsignal(signal.SIGTERM)
    serving = asyncio.create_task(serve(ports, mills.limits, Manner(shutdown=100, drain=80)))
    await eventually(lambda: signal.getsignal(signal.SIGTERM) is not before)
    await mills.write(*ABCDE)
    await eventually(lambda: mills.store.contents(ACME) == list(ABCDE))
    await mills.write("held")
    await eventually(lambda: mills.shared.in_flight == 1)
    async with asyncio.timeout(30):
        os.kill(os.getpid(), signal.SIGTERM)
        await serving
    assert mills.store.contents(ACME) == [*ABCDE, "held"]
    assert mills.shared.ends[-1].closed >= 1


async def test_the_lease_is_neither_needed_nor_waited_for_to_begin(mills: Rig) -> None:
    stop = Stop(1)
    third = Flusher(replace(mills.ports, owner="c:3"), mills.limits)
    running = asyncio.create_task(third.run(stop, wait=False))
    await mills.write(*ABCDE)
    await eventually(lambda: mills.store.contents(ACME) == list(ABCDE))
    assert third.role == "deliveries"
    stop.ask()
    await running


def test_a_second_signal_and_the_end_of_the_time_end_the_process_at_once() -> None:
    program = dedent(
        """
        import asyncio, os, signal, sys, time
        from flusher.stopping import Stop, on_signals

        async def main() -> None:
            stop = Stop(1)
            with on_signals(stop, seconds=float(sys.argv[1])):
                os.kill(os.getpid(), signal.SIGTERM)
                await stop.asked()
                if sys.argv[2] == "again":
                    os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(30)

        asyncio.run(main())
        """
    )
    for seconds, again in (("60", "again"), ("0.05", "once")):
        ended = subprocess.run(
            [sys.executable, "-c", program, seconds, again], timeout=60, check=False, cwd="src"
        )
        assert ended.returncode == 1

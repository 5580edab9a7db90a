"""What an orchestrator is told: whether the flusher lives, why not, and its metrics."""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from core.adapters.sqlite.leases import SqliteLeases
from core.model.errors import ConfigurationError, DatabaseError
from flusher import pulse
from flusher.endpoint import answering, application
from flusher.process import Manner, serve
from flusher.pulse import Verdict
from flusher.service import Flusher
from tests.flushing.rig import Rig, eventually


def client(flusher: Flusher) -> httpx.AsyncClient:
    app = application(verdict=flusher.verdict, report=lambda: b"metrics 1\n")
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://flusher")


@pytest.fixture
async def asked(mills: Rig) -> AsyncIterator[httpx.AsyncClient]:
    async with client(mills.flusher) as made:
        yield made


async def test_a_flusher_that_turns_lives_and_says_what_it_does(mills: Rig, asked: httpx.AsyncClient) -> None:
    await mills.write("held")
    await mills.flusher.step()
    mills.clock.advance(2)
    for path in ("/health", "/livez"):
        answer = await asked.get(path)
        assert answer.status_code == 200
        assert answer.json()["status"] == "ok"
        assert answer.json()["role"] == "lease"
        assert answer.json()["turned_seconds_ago"] == 2
        assert answer.json()["held_bytes"] > 0


async def test_each_says_what_it_may_do(mills: Rig, mill: Rig) -> None:
    async with client(mills.others[0]) as other:
        assert (await other.get("/health")).json()["role"] == "deliveries"
    standing_by = mill.another()
    await standing_by.step()
    async with client(standing_by) as idle:
        answer = await idle.get("/health")
        assert (answer.status_code, answer.json()["role"]) == (200, "standby")


async def test_a_main_loop_that_hangs_does_not_live(mills: Rig, asked: httpx.AsyncClient) -> None:
    await mills.flusher.step()
    mills.clock.advance(pulse.LONGEST_TURN + 1)
    answer = await asked.get("/health")
    assert answer.status_code == 503
    assert answer.json()["status"] == "unavailable"
    assert answer.json()["reason"] == "the main loop has not turned for 31 s"


async def test_a_flusher_that_drains_lives(mills: Rig, asked: httpx.AsyncClient) -> None:
    await mills.flusher.drain(1)
    mills.clock.advance(pulse.LONGEST_TURN + 1)
    answer = await asked.get("/health")
    assert (answer.status_code, answer.json()["role"]) == (200, "stopping")


async def test_asking_a_flusher_that_has_ended_opens_nothing(mills: Rig, asked: httpx.AsyncClient) -> None:
    await mills.flusher.close()
    ends = len(mills.shared.ends)
    assert (await asked.get("/health")).json()["held_bytes"] == 0
    assert len(mills.shared.ends) == ends


async def test_a_journal_that_fails_is_said(mills: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(SqliteLeases):
        async def holder(self) -> str | None:
            raise DatabaseError("the table is gone")

    leases = Broken(mills.shop.database, clock=mills.clock)
    async with client(Flusher(replace(mills.ports, leases=leases), mills.limits)) as asked:
        answer = await asked.get("/health")
    assert answer.status_code == 503
    assert answer.json()["reason"] == "the journal does not answer: the table is gone"


async def test_a_journal_that_hangs_is_said(mills: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    class Hanging(SqliteLeases):
        async def holder(self) -> str | None:
            await asyncio.Event().wait()
            return None

    monkeypatch.setattr(pulse, "ANSWER_WITHIN", 0.01)
    leases = Hanging(mills.shop.database, clock=mills.clock)
    async with client(Flusher(replace(mills.ports, leases=leases), mills.limits)) as asked:
        answer = await asked.get("/health")
    assert answer.status_code == 503
    assert answer.json()["reason"].startswith("the journal did not answer within")


async def test_the_metrics_are_text(asked: httpx.AsyncClient) -> None:
    answer = await asked.get("/metrics")
    assert answer.text == "metrics 1\n"
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")


async def test_it_listens_where_it_is_told_and_no_longer_than_that() -> None:
    async def verdict() -> Verdict:
        return Verdict("standby", 0.0, 0)

    async with answering("127.0.0.1", 0, verdict=verdict, report=bytes) as port:
        url = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=url, trust_env=False) as asked:
            assert (await asked.get("/livez")).status_code == 200
            assert (await asked.get("/else")).status_code == 404
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=30)


async def test_a_taken_port_is_said_with_the_settings_that_name_it() -> None:
    async def verdict() -> Verdict:
        raise AssertionError("nobody asks")

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"127.0.0.1:{port}") as refused:
            async with answering("127.0.0.1", port, verdict=verdict, report=bytes):
                pass
    assert refused.value.hint == "check flusher.health_host and flusher.health_port"


async def test_a_flusher_process_answers_on_the_port_of_its_settings(mills: Rig) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    ports = replace(mills.ports, owner="c:3")
    manner = Manner(shutdown=5, drain=1, health_host="127.0.0.1", health_port=port)
    serving = asyncio.create_task(serve(ports, mills.limits, manner))
    await eventually(lambda: len(mills.shared.ends) == 3)
    async with httpx.AsyncClient(trust_env=False) as asked:
        answer = await asked.get(f"http://127.0.0.1:{port}/health")
    assert answer.json()["role"] == "deliveries"
    serving.cancel()
    await asyncio.wait([serving])

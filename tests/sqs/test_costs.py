"""What the cost model says of messages is what the sender makes of memories."""

import base64
import random

import pytest

from core.adapters.sqs.sender import SqsSender
from core.model.costs import write_calls
from core.model.memory import Memory
from tests.clock import ManualClock
from tests.sqs.calls import Bench
from tests.unit.fakes import ORG, FakeMetrics, memory


@pytest.fixture
async def bench(clock: ManualClock) -> Bench:
    return await Bench(clock).open()


async def sent(bench: Bench, memories: list[Memory]) -> list[str]:
    """The calls that bring them on their way."""
    bench.api.calls.clear()
    sender = SqsSender(api=bench.api, url=bench.url, timeout=10.0, metrics=FakeMetrics())
    await sender.send(ORG, memories)
    return [operation for operation, _ in bench.api.calls]


@pytest.mark.parametrize("batch", [1, 10, 100])
async def test_a_request_of_usual_memories_is_one_message(bench: Bench, batch: int) -> None:
    memories = [memory(n, content=f"{n} " + "x" * 300) for n in range(1, batch + 1)]
    assert await sent(bench, memories) == ["SendMessage"]
    assert write_calls(batch, 700).messages == 1


async def test_a_large_request_is_as_many_messages_as_the_model_says_at_most(bench: Bench) -> None:
    size, count = 256 * 1024, 12
    noise = [memory(n, content=_noise(n, size)) for n in range(1, count + 1)]
    calls = await sent(bench, noise)
    told = write_calls(count, size).messages
    assert set(calls) <= {"SendMessage", "SendMessageBatch"}
    assert sum(len(given.get("Entries", [given])) for _, given in bench.api.calls) <= told


def _noise(seed: int, size: int) -> str:
    """Text that hardly compresses."""
    return base64.b64encode(random.Random(seed).randbytes(size))[:size].decode()

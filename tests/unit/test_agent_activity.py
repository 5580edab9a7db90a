"""When agents were last active, as a flusher notes it: beside busy writers."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from core.adapters.sqlite.agents import SqliteAgents
from core.adapters.sqlite.database import Database
from core.model.timewindow import micros_of
from core.model.work import Agent
from tests.contract.journals import make_file
from tests.contract.metadata import ACME, later


async def test_the_activity_of_many_holds_up_no_writer_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(make_file(tmp_path / "m.db"))
    agents = SqliteAgents(database)
    for number in range(300):
        await agents.create_agent(Agent(f"agent_{number}", ACME, f"name {number}", "", {}, later(0)))
    writes = 0
    write = Database.write

    async def counted(self: Database, work: Callable[[sqlite3.Connection], object]) -> object:
        nonlocal writes
        writes += 1
        return await write(self, work)

    monkeypatch.setattr(Database, "write", counted)
    at = micros_of(later(1))
    await agents.touch_agents(ACME, {f"unregistered_{number}": at for number in range(300)})
    assert writes == 0
    await agents.touch_agents(ACME, {f"agent_{number}": at for number in range(300)})
    assert writes == 2
    database.close()

"""The database of Memtrace v0.2.0, opened in place."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.adapters.sqlite.database import Database
from core.adapters.sqlite.migrate import FOLDER, migrate
from core.auth import Authenticator, Callers
from core.hashing import Hasher
from core.model.errors import MasterKeyError, Unauthenticated
from core.model.memory import OrgId
from core.model.tenant import DEFAULT_ORG
from core.model.work import Agent, Session
from core.telemetry import NoMetrics
from core.vault import Vault, generate_master_key, parse_master_key
from tests import original
from tests.clock import ManualClock
from tests.contract.metadata import Metadata, metadata_over

CREATED = datetime(2026, 11, 21, 0, 43, 14, tzinfo=UTC)
AGENT = "agent_a0ada71c56992f143205ec76"


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Metadata]:
    path = original.copied_to(tmp_path)
    assert migrate(path) == sorted(file.stem for file in FOLDER.glob("*.sql"))
    database = Database(path)
    yield metadata_over(database)
    database.close()


def _at(seconds: int, micros: int = 0) -> datetime:
    return datetime(2026, 11, 21, 0, 43, seconds, micros, tzinfo=UTC)


async def test_its_orgs_are_there(opened: Metadata) -> None:
    orgs = await opened.orgs.list_orgs()
    assert [(org.id, org.name) for org in orgs] == [
        (DEFAULT_ORG, "Default"),
        (original.UNBOUND, "unbound"),
        (original.ACME, "acme"),
    ]
    assert orgs[0].created_at == CREATED


async def test_its_agents_are_as_they_were(opened: Metadata) -> None:
    assert await opened.agents.list_agents(original.ACME, 10, None) == [
        Agent(AGENT, original.ACME, "crawler", "walks sites", {"depth": 2}, _at(18))
    ]


async def test_its_sessions_are_as_they_were_to_the_microsecond(opened: Metadata) -> None:
    opened_at, closed_at = _at(19, 89_431), _at(19, 181_212)
    assert await opened.sessions.list_sessions(original.ACME, AGENT, None, 10, None) == [
        Session(
            "sess_068fc28a84b555b05eb1c85e",
            original.ACME,
            AGENT,
            "closed",
            {},
            opened_at,
            closed_at,
            closed_at,
        ),
        Session(
            "sess_f0fb1558032155afa5f2416c",
            original.ACME,
            AGENT,
            "active",
            {"goal": "find invoices"},
            _at(18, 969_025),
            _at(18, 969_025),
        ),
    ]


async def test_its_sessions_page_together_with_new_ones(opened: Metadata) -> None:
    new = Session("sess_new", original.ACME, "nobody", "active", {}, _at(19), _at(19))
    await opened.sessions.create_session(new)
    seen, after = [], None
    while page := await opened.sessions.list_sessions(original.ACME, None, None, 1, after):
        seen.append(page[0].id)
        after = (page[0].created_at, page[0].id)
    assert seen == ["sess_068fc28a84b555b05eb1c85e", "sess_new", "sess_f0fb1558032155afa5f2416c"]


async def test_its_sessions_can_be_updated(opened: Metadata) -> None:
    updated = await opened.sessions.update_session(
        original.ACME, "sess_f0fb1558032155afa5f2416c", "closed", {"found": 3}, _at(30)
    )
    assert updated is not None
    assert (updated.metadata, updated.closed_at) == ({"goal": "find invoices", "found": 3}, _at(30))


async def test_its_arc_keys_open_with_its_master_key(opened: Metadata) -> None:
    vault = Vault(parse_master_key(original.MASTER_KEY))
    bindings = [vault.binding(sealed) for sealed in await opened.bindings.list_bindings()]
    assert [(b.org_id, b.database, b.measurement, b.arc_key) for b in bindings] == [
        (DEFAULT_ORG, "fix_default", "memories", original.ARC_KEY),
        (original.ACME, "fix", "events", original.ARC_KEY),
    ]


async def test_its_arc_keys_do_not_open_with_another_master_key(opened: Metadata) -> None:
    sealed = await opened.bindings.find_binding(original.ACME)
    assert sealed is not None
    with pytest.raises(MasterKeyError, match=original.ACME):
        Vault(parse_master_key(generate_master_key())).binding(sealed)


async def test_its_keys_work_and_its_revoked_one_does_not(opened: Metadata, clock: ManualClock) -> None:
    authenticator = Authenticator(
        keys=opened.keys,
        callers=Callers(
            orgs=opened.orgs, bindings=opened.bindings, vault=Vault(parse_master_key(original.MASTER_KEY))
        ),
        hasher=Hasher(),
        clock=clock,
        metrics=NoMetrics(),
    )
    try:
        acme = await authenticator.authenticate(original.API_KEYS["read_write"])
        unbound = await authenticator.authenticate(original.API_KEYS["org_without_arc"])
        with pytest.raises(Unauthenticated):
            await authenticator.authenticate(original.API_KEYS["revoked"])
    finally:
        authenticator.close()
    assert (acme.org_name, acme.key_name) == ("acme", "acme-rw")
    assert acme.permissions == {"read", "write"}
    assert acme.bound().arc_key == original.ARC_KEY
    assert (unbound.org_id, unbound.binding) == (original.UNBOUND, None)


async def test_a_new_key_never_gets_the_id_of_an_old_one(tmp_path: Path) -> None:
    path = original.copied_to(tmp_path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM api_keys WHERE id = 5")
        connection.commit()
    migrate(path)
    database = Database(path)
    try:
        key = await metadata_over(database).keys.create_key(
            original.ACME, "new", "p", "h", frozenset({"read"}), None, CREATED
        )
    finally:
        database.close()
    assert key.id == 6


async def test_a_key_name_of_another_org_is_free(opened: Metadata) -> None:
    key = await opened.keys.create_key(original.UNBOUND, "acme-rw", "p", "h", frozenset(), None, CREATED)
    assert key.org_id == original.UNBOUND


async def test_a_session_of_an_unregistered_agent_is_accepted(opened: Metadata) -> None:
    session = Session("sess_new", original.ACME, "nobody", "active", {}, CREATED, CREATED)
    await opened.sessions.create_session(session)
    assert await opened.sessions.find_session(original.ACME, "sess_new") == session


async def test_one_of_its_orgs_is_deleted_with_all_that_hangs_on_it(opened: Metadata) -> None:
    assert await opened.orgs.delete_org(OrgId(original.ACME))
    assert await opened.agents.list_agents(original.ACME, 10, None) == []


def test_its_file_is_whole_after_the_rebuild(tmp_path: Path) -> None:
    path = original.copied_to(tmp_path)
    migrate(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []

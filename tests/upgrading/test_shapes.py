"""Databases of the original in the shapes that other installations may have left them in."""

import contextlib
import json
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from core.adapters.sqlite.database import Database
from core.adapters.sqlite.migrate import migrate
from core.auth import Authenticator, Callers
from core.hashing import Hasher
from core.model.errors import MasterKeyError, Unauthenticated
from core.model.memory import OrgId
from core.model.org_settings import NO_SETTINGS
from core.model.tenant import Principal
from core.telemetry import NoMetrics
from core.vault import Vault, parse_master_key
from tests import original
from tests.clock import ManualClock
from tests.contract.metadata import Metadata, metadata_over
from tests.original import Built, built

A, B = OrgId("org_a"), OrgId("org_b")
KEY = original.API_KEYS["read_write"]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Opened = Callable[[], Metadata]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "memtrace.db"


@pytest.fixture
async def opened(file: Path) -> AsyncIterator[Opened]:
    """Brings the file up to date and opens it."""
    with contextlib.ExitStack() as closing_:

        def open_() -> Metadata:
            migrate(file)
            database = closing_.enter_context(closing(Database(file)))
            return metadata_over(database)

        yield open_


async def authenticated(metadata: Metadata, key: str = KEY) -> Principal:
    clock = ManualClock()
    vault = Vault(parse_master_key(original.MASTER_KEY))
    gate = Authenticator(
        keys=metadata.keys,
        callers=Callers(orgs=metadata.orgs, bindings=metadata.bindings, vault=vault),
        hasher=Hasher(),
        clock=clock,
        metrics=NoMetrics(),
    )
    with closing(gate):
        return await gate.authenticate(key)


# --- keys


@pytest.mark.parametrize(
    ("stored", "means"),
    [
        ("write,read", {"read", "write"}),
        (" read , write ", {"read", "write"}),
        ("Read,WRITE", {"read", "write"}),
        ("read write", {"read", "write"}),
        ("admin;read", {"read", "admin"}),
        ("read,read,nothing", {"read"}),
        ("", {"read", "write"}),
        (None, {"read", "write"}),
        ("everything", set()),
    ],
)
async def test_permissions_are_read_however_they_were_written(
    tmp_path: Path, opened: Opened, stored: object, means: set[str]
) -> None:
    with built(tmp_path) as made:
        made.key(made.org(A), "k", permissions=stored)
    assert (await authenticated(opened())).permissions == means


@pytest.mark.parametrize("enabled", [0, None, 2, "false"])
async def test_a_key_that_is_not_enabled_stays_refused(
    tmp_path: Path, opened: Opened, enabled: object
) -> None:
    with built(tmp_path) as made:
        made.key(made.org(A), "k", enabled=enabled)
    with pytest.raises(Unauthenticated):
        await authenticated(opened())


@pytest.mark.parametrize(
    "expires_at",
    [
        "2020-01-01 00:00:00",
        "2020-01-01 00:00:00.5+02:00",
        "2020-01-01 00:00:00.000000001 +0200 CEST m=+0.12",
        "some day",
        "",
        "0001-01-01 00:00:00+00:00",
        b"\xff",
    ],
)
async def test_an_expired_key_stays_refused(tmp_path: Path, opened: Opened, expires_at: object) -> None:
    with built(tmp_path) as made:
        made.key(made.org(A), "k", expires_at=expires_at)
    with pytest.raises(Unauthenticated):
        await authenticated(opened())


@pytest.mark.parametrize(
    "expires_at", [None, "2999-01-01T00:00:00Z", "2999-01-01 00:00:00.123456789+02:00", "2999-01-01 00:00:00"]
)
async def test_a_key_that_expires_later_works(tmp_path: Path, opened: Opened, expires_at: object) -> None:
    with built(tmp_path) as made:
        made.key(made.org(A), "k", expires_at=expires_at)
    assert (await authenticated(opened())).org_id == A


async def test_two_keys_of_one_name_in_one_org_are_told_apart(
    tmp_path: Path, opened: Opened, file: Path
) -> None:
    with built(tmp_path) as made:
        _without_unique_names(made)
        made.org(A)
        for enabled in (1, 1, 0):
            made.key(A, "twin", enabled=enabled)
    names = [(key.name, key.enabled) for key in await opened().keys.list_keys(A)]
    assert names == [("twin", True), ("twin (key 2)", True), ("twin", False)]


async def test_one_key_name_in_two_orgs_is_kept(tmp_path: Path, opened: Opened) -> None:
    with built(tmp_path) as made:
        _without_unique_names(made)
        for org in (A, B):
            made.key(made.org(org), "same")
    keys = opened().keys
    assert [key.name for org in (A, B) for key in await keys.list_keys(org)] == ["same", "same"]


def _without_unique_names(made: Built) -> None:
    (sql,) = made.run("SELECT sql FROM sqlite_master WHERE name = 'api_keys'")[0]
    made.run("DROP TABLE api_keys")
    made.run(sql.replace("NOT NULL UNIQUE", "NOT NULL"))


async def test_a_key_of_an_org_that_is_gone_is_refused(tmp_path: Path, opened: Opened) -> None:
    with built(tmp_path) as made:
        made.key("org_gone", "k")
    with pytest.raises(Unauthenticated):
        await authenticated(opened())


async def test_keys_of_one_prefix_are_each_tried(tmp_path: Path, opened: Opened) -> None:
    with built(tmp_path) as made:
        other = "$2a$10$wrR1S6kT30Gn7iFWCmRvP.OpJ9CFYEw4v3spVY8YY61rFEhsU9coK"
        made.key(made.org(A), "first", key_hash=other)
        made.key(made.org(B), "second")
    assert (await authenticated(opened())).org_id == B


# --- names and texts

ODD = ["", " ", "a\nb", "'; DROP TABLE agents; --", "日本語 🦊", "x" * 5_000, "\x1b[31m", "nul\x00in it"]


@pytest.mark.parametrize("name", ODD)
async def test_names_are_as_they_were(tmp_path: Path, opened: Opened, name: str) -> None:
    with built(tmp_path) as made:
        made.run("INSERT INTO organizations (id, name) VALUES (?, ?)", A, name)
        made.key(A, name)
        made.agent(A, "agent_1", name=name)
    metadata = opened()
    assert [org.name for org in await metadata.orgs.list_orgs()] == [name]
    assert [key.name for key in await metadata.keys.list_keys(A)] == [name]
    assert [agent.name for agent in await metadata.agents.list_agents(A, 9, None)] == [name]


async def test_texts_that_are_no_utf8_are_shown_as_the_originals_answers_showed_them(
    tmp_path: Path, opened: Opened
) -> None:
    with built(tmp_path) as made:
        made.run("INSERT INTO organizations (id, name) VALUES (?, CAST(? AS TEXT))", A, b"caf\xe9")
        for number, raw in enumerate((b"caf\xe9", b"caf\xe8")):
            made.run(
                """INSERT INTO agents (id, org_id, name, description, config_json)
                   VALUES (?, ?, CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT))""",
                *(f"agent_{number}", A, raw, raw, b'{"k":"' + raw + b'"}'),
            )
        made.session(A, "sess_1", metadata_json=b'{"blob": true}')
    metadata = opened()
    agents = sorted(await metadata.agents.list_agents(A, 9, None), key=lambda agent: agent.id)
    (session,) = await metadata.sessions.list_sessions(A, None, None, 9, None)
    assert [org.name for org in await metadata.orgs.list_orgs()] == ["caf�"]
    assert [agent.name for agent in agents] == ["caf�", "caf\\xe8"]
    assert [agent.config for agent in agents] == [{"k": "caf�"}, {"k": "caf�"}]
    assert session.metadata == {"blob": True}


@pytest.mark.parametrize("text", [None, "", "{", "[1]", "null", '"text"', "[" * 100_000])
async def test_what_is_no_json_object_reads_as_an_empty_one(
    tmp_path: Path, opened: Opened, text: str | None
) -> None:
    with built(tmp_path) as made:
        made.run("INSERT INTO organizations (id, name, settings_json) VALUES (?, 'a', ?)", A, text)
        made.agent(A, "agent_1", config_json=text)
        made.session(A, "sess_1", metadata_json=text)
    metadata = opened()
    (agent,) = await metadata.agents.list_agents(A, 9, None)
    (session,) = await metadata.sessions.list_sessions(A, None, None, 9, None)
    assert (agent.config, session.metadata) == ({}, {})
    assert await metadata.orgs.find_org(A) is not None


async def test_an_agent_without_a_description_has_an_empty_one(tmp_path: Path, opened: Opened) -> None:
    with built(tmp_path) as made:
        made.agent(made.org(A), "agent_1")
    (agent,) = await opened().agents.list_agents(A, 9, None)
    assert agent.description == ""


# --- sessions


async def test_sessions_of_agents_that_were_deleted_are_there(tmp_path: Path, opened: Opened) -> None:
    with built(tmp_path) as made:
        made.session(made.org(A), "sess_1", agent_id="agent_deleted")
    assert await opened().sessions.count_sessions(A, ["agent_deleted"]) == (1, 1)


@pytest.mark.parametrize(
    ("status", "closed_at", "means"),
    [
        ("active", None, "active"),
        ("closed", None, "closed"),
        (" Closed ", None, "closed"),
        (None, None, "active"),
        ("paused", None, "active"),
        ("completed", original.AT, "closed"),
        ("ACTIVE", original.AT, "active"),
    ],
)
async def test_every_session_is_active_or_closed(
    tmp_path: Path, opened: Opened, status: object, closed_at: object, means: Any
) -> None:
    with built(tmp_path) as made:
        made.session(made.org(A), "sess_1", status=status, closed_at=closed_at)
    found = await opened().sessions.list_sessions(A, None, means, 9, None)
    assert [session.status for session in found] == [means]


TIMES = [
    ("2026-11-21 00:00:05", 5_000_000),
    ("2026-11-21 00:00:04.5+00:00", 4_500_000),
    ("2026-11-21 02:00:03.000001999+02:00", 3_000_001),
    ("2026-11-20 23:00:02 -0100 -01 m=+0.12", 2_000_000),
    ("2026-11-21T00:00:01Z", 1_000_000),
]


async def test_times_of_all_forms_page_in_order(tmp_path: Path, opened: Opened) -> None:
    with built(tmp_path) as made:
        made.org(A)
        for text, micros in TIMES:
            made.session(A, f"sess_{micros}", created_at=text, updated_at=text)
            made.agent(A, f"agent_{micros}", created_at=text)
        made.session(A, "sess_none", created_at=None, updated_at=None)
        odd = {"created_at": "long ago", "updated_at": "2026-11-21 00:00:06", "closed_at": "later"}
        made.session(A, "sess_odd", **odd)
    metadata = opened()
    seen, after = [], None
    while page := await metadata.sessions.list_sessions(A, None, None, 1, after):
        seen.append(page[0])
        after = (page[0].created_at, page[0].id)
    start = datetime(2026, 11, 21, tzinfo=UTC)
    assert [s.id for s in seen] == [*(f"sess_{micros}" for _, micros in TIMES), "sess_odd", "sess_none"]
    assert [(s.created_at - start).total_seconds() * 1e6 for s in seen[:5]] == [micros for _, micros in TIMES]
    assert (seen[5].created_at, seen[5].updated_at.second, seen[5].closed_at) == (EPOCH, 6, None)
    assert (seen[6].created_at, seen[6].updated_at) == (EPOCH, EPOCH)
    assert [a.id for a in await metadata.agents.list_agents(A, 9, None)] == [f"agent_{m}" for _, m in TIMES]


async def test_an_agents_activity_is_as_it_was_and_grows(tmp_path: Path, opened: Opened) -> None:
    with built(tmp_path) as made:
        made.agent(made.org(A), "agent_1", last_active_at="2026-11-21 02:00:03.5+02:00")
    agents = opened().agents
    (agent,) = await agents.list_agents(A, 9, None)
    assert agent.last_active_at == datetime(2026, 11, 21, 0, 0, 3, 500_000, tzinfo=UTC)
    await agents.touch_agents(A, {"agent_1": 2_000_000_000_000_000})
    (agent,) = await agents.list_agents(A, 9, None)
    assert agent.last_active_at == datetime(2033, 5, 18, 3, 33, 20, tzinfo=UTC)


# --- bindings


async def test_orgs_that_share_an_arc_keep_a_binding_each(tmp_path: Path, opened: Opened) -> None:
    with built(tmp_path) as made:
        for org in (A, B):
            made.binding(made.org(org), "HTTP://Arc.example:8000/", measurement="memories")
    vault = Vault(parse_master_key(original.MASTER_KEY))
    bindings = [vault.binding(sealed) for sealed in await opened().bindings.list_bindings()]
    assert [(b.org_id, b.url, b.measurement, b.arc_key) for b in bindings] == [
        (org, "http://Arc.example:8000/", "memories", original.ARC_KEY) for org in (A, B)
    ]


async def test_a_binding_that_does_not_open_leaves_the_others_alone(tmp_path: Path, opened: Opened) -> None:
    with built(tmp_path) as made:
        made.binding(made.org(A))
        cipher, nonce = original.sealed("secret", "MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA=")
        made.binding(made.org(B), api_key_cipher=cipher, api_key_nonce=nonce)
    vault = Vault(parse_master_key(original.MASTER_KEY))
    first, second = await opened().bindings.list_bindings()
    assert vault.binding(first).arc_key == original.ARC_KEY
    with pytest.raises(MasterKeyError, match=B):
        vault.binding(second)


async def test_what_is_sealed_is_bytes_also_where_it_was_kept_as_text(tmp_path: Path, opened: Opened) -> None:
    with built(tmp_path) as made:
        made.binding(made.org(A), api_key_cipher="no cipher", api_key_nonce="twelve bytes")
    (sealed,) = await opened().bindings.list_bindings()
    assert (sealed.cipher, sealed.nonce) == (b"no cipher", b"twelve bytes")


# --- organizations


@pytest.mark.parametrize("as_stored", [str, str.encode])
async def test_what_had_no_effect_on_the_original_deletes_and_refuses_nothing(
    tmp_path: Path, opened: Opened, as_stored: Callable[[str], object]
) -> None:
    noted = '{"plan": "pro", "retention_days": 30, "requests_per_second": 1, "burst_seconds": 2}'
    with built(tmp_path) as made:
        made.org(A)
        made.run("UPDATE organizations SET settings_json = ?", as_stored(noted))
    metadata = opened()
    (org,) = await metadata.orgs.list_orgs()
    assert org.settings == NO_SETTINGS
    await metadata.orgs.update_org_settings(A, {"retention_days": 90})
    with closing(sqlite3.connect(tmp_path / "memtrace.db")) as connection:
        (stored,) = connection.execute("SELECT settings_json FROM organizations").fetchone()
    assert json.loads(stored) == {"plan": "pro", "retention_days": 90}


# --- the file


async def test_a_database_without_any_org_opens(tmp_path: Path, opened: Opened) -> None:
    with built(tmp_path):
        pass
    assert await opened().orgs.list_orgs() == []


@pytest.mark.parametrize("page_size", [512, 65_536])
async def test_any_page_size_will_do(tmp_path: Path, opened: Opened, page_size: int) -> None:
    with built(tmp_path, page_size=page_size) as made:
        made.key(made.org(A), "k")
    assert (await authenticated(opened())).org_id == A

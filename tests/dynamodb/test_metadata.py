"""Tenants and their records when answers are lost, others are quicker, or the table has had enough."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import pytest

from core.adapters.dynamodb.client import Dynamo
from core.adapters.dynamodb.places import GONE, prefix_key, reply_pk
from core.adapters.dynamodb.statements import Delete
from core.model.errors import AlreadyExists, DatabaseError, MetadataBusy, NotFound
from core.model.memory import OrgId
from core.model.tenant import Org, SealedBinding
from core.model.work import Agent, Session
from core.ports import IdempotencyKey, StoreHealth
from tests.clock import ManualClock
from tests.contract.metadata import ACME, OTHER, START, Metadata, later, metadata_in
from tests.dynamodb.scripted import NO_ANSWER, THROTTLED, Remembering, Repeating, ScriptedAws, always, once
from tests.dynamodb.tables import LocalDynamodb, fresh_table
from tests.unit.auth_door import door_to

BINDING = SealedBinding("arc_1", ACME, "https://arc", "db", "events", 1, b"cipher", b"nonce")
REPEATED = IdempotencyKey(b"k" * 16, b"b" * 16)


@dataclass
class Office:
    """Two processes at one table: of `there` every call arrives, of `here` the script decides."""

    there: Metadata
    here: Metadata
    script: ScriptedAws
    dynamo: Dynamo


@pytest.fixture
async def office(dynamodb: LocalDynamodb) -> Office:
    dynamo = await fresh_table(dynamodb)
    there = await metadata_in(dynamo).with_orgs()
    script = ScriptedAws(dynamodb)
    here = metadata_in(Dynamo(Repeating(script), table=dynamo.table, timeout=60))
    return Office(there, here, script, dynamo)


@pytest.fixture
async def remembering(dynamodb: LocalDynamodb) -> Office:
    """As `office`, where the table knows repeated transactions by their tokens."""
    dynamo = await fresh_table(dynamodb)
    there = await metadata_in(dynamo).with_orgs()
    script = ScriptedAws(Remembering(dynamodb))
    here = metadata_in(Dynamo(Repeating(script), table=dynamo.table, timeout=60))
    return Office(there, here, script, dynamo)


def session(number: int = 1, agent: str = "a") -> Session:
    return Session(f"sess_{number}", ACME, agent, "active", {"n": 1}, later(number), later(number))


def agent(number: int = 1) -> Agent:
    return Agent(f"agent_{number}", ACME, f"name {number}", "", {}, later(number))


async def a_key(stores: Metadata, name: str = "key") -> int:
    made = await stores.keys.create_key(ACME, name, "prefix", "hash", frozenset({"read"}), None, START)
    return made.id


# --- answers that are lost

CREATIONS: dict[str, Callable[[Metadata], Awaitable[object]]] = {
    "org": lambda stores: stores.orgs.create_org(Org(OrgId("org_new"), "new", START)),
    "key": a_key,
    "agent": lambda stores: stores.agents.create_agent(agent()),
    "session": lambda stores: stores.sessions.create_session(session()),
    "binding": lambda stores: stores.bindings.put_binding(BINDING),
    "settings": lambda stores: stores.orgs.update_org_settings(ACME, {"retention_days": 3}),
}


@pytest.mark.parametrize("what", CREATIONS)
async def test_what_was_made_is_ours_though_the_answer_was_lost(office: Office, what: str) -> None:
    office.script.after = once(NO_ANSWER, "TransactWriteItems")
    await CREATIONS[what](office.here)
    assert office.script.calls.count("TransactWriteItems") == 2
    assert len(await office.there.keys.list_keys(ACME)) == (what == "key")
    assert len(await office.there.agents.list_agents(ACME, 9, None)) == (what == "agent")
    assert len(await office.there.sessions.list_sessions(ACME, "a", "active", 9, None)) == (what == "session")


@pytest.mark.parametrize("what", ["org", "key", "session"])
async def test_what_somebody_else_made_is_not_ours(office: Office, what: str) -> None:
    await CREATIONS[what](office.there)
    with pytest.raises(AlreadyExists):
        await CREATIONS[what](office.here)


@pytest.mark.parametrize("differs", ["id", "name"])
async def test_an_agent_with_the_name_or_id_of_another_is_refused(office: Office, differs: str) -> None:
    await office.there.agents.create_agent(agent())
    with pytest.raises(AlreadyExists):
        await office.here.agents.create_agent(replace(agent(), **{differs: "another"}))  # type: ignore[arg-type]


async def test_sealed_keys_are_changed_once_though_the_answer_was_lost(office: Office) -> None:
    await office.there.bindings.put_binding(BINDING)
    new = replace(BINDING, cipher=b"new", nonce=b"n2")
    office.script.after = once(NO_ANSWER, "TransactWriteItems")
    assert await office.here.bindings.reseal_binding(BINDING, new)
    assert await office.there.bindings.list_bindings() == [new]
    office.script.after = once(NO_ANSWER, "TransactWriteItems")
    assert await office.here.bindings.set_admin_key(ACME, b"a", b"b")
    assert (await office.there.bindings.list_bindings())[0].admin_cipher == b"a"


async def test_a_session_is_changed_once_though_the_answer_was_lost(office: Office) -> None:
    await office.there.sessions.create_session(session())
    office.script.after = once(NO_ANSWER, "TransactWriteItems")
    changed = await office.here.sessions.update_session(ACME, "sess_1", "closed", {"m": 2}, later(5))
    assert changed == await office.there.sessions.find_session(ACME, "sess_1")
    assert changed is not None
    assert (changed.status, changed.metadata) == ("closed", {"n": 1, "m": 2})
    assert await office.there.sessions.list_sessions(ACME, None, "active", 9, None) == []


REMOVALS: dict[str, Callable[[Metadata], Awaitable[bool]]] = {
    "agent": lambda stores: stores.agents.delete_agent(ACME, "name 1"),
    "session": lambda stores: stores.sessions.delete_session(ACME, "sess_1"),
    "binding": lambda stores: stores.bindings.remove_binding(ACME),
    "org": lambda stores: stores.orgs.delete_org(ACME),
}


@pytest.mark.parametrize("what", REMOVALS)
async def test_what_was_removed_was_there_though_the_answer_was_lost(remembering: Office, what: str) -> None:
    for make in CREATIONS.values():
        await make(remembering.there)
    remembering.script.after = once(NO_ANSWER, "TransactWriteItems")
    assert await REMOVALS[what](remembering.here)
    assert not await REMOVALS[what](remembering.there)


@pytest.mark.parametrize("what", REMOVALS)
async def test_what_somebody_else_removed_is_unknown(office: Office, what: str) -> None:
    for make in CREATIONS.values():
        await make(office.there)

    async def remove(operation: str, _: object) -> None:
        if operation == "TransactWriteItems":
            office.script.meanwhile = None
            await REMOVALS[what](office.there)

    office.script.meanwhile = remove
    assert not await REMOVALS[what](office.here)


async def test_an_answer_that_is_kept_already_stays(office: Office) -> None:
    office.script.after = once(NO_ANSWER, "PutItem")
    await office.here.replies.keep_reply(ACME, REPEATED, 100, 201, b"first")
    await office.here.replies.keep_reply(ACME, REPEATED, 100, 201, b"second")
    assert await office.there.replies.begin_reply(ACME, REPEATED, 101, 0) == (201, b"first")


# --- the table has had enough

EVERYTHING: dict[str, Callable[[Metadata], Awaitable[object]]] = {
    **CREATIONS,
    **{f"no {what}": removal for what, removal in REMOVALS.items()},
    "keys": lambda stores: stores.keys.find_keys("prefix"),
    "revoking": lambda stores: stores.keys.revoke_key(1),
    "found": lambda stores: stores.agents.find_agent(ACME, "a"),
    "touched": lambda stores: stores.agents.touch_agents(ACME, {"a": 1}),
    "kept": lambda stores: stores.replies.keep_reply(ACME, REPEATED, 1, 201, b""),
    "health": lambda stores: stores.health.post_health([StoreHealth(ACME, True, 1)]),
    "report": lambda stores: stores.health.post_report(b"text", 1),
}


@pytest.mark.parametrize("what", EVERYTHING)
async def test_a_table_that_throttles_is_busy(office: Office, what: str) -> None:
    office.script.before = always(THROTTLED)
    with pytest.raises(MetadataBusy):
        await EVERYTHING[what](office.here)


@pytest.mark.parametrize("what", ["session", "settings"])
async def test_what_others_change_all_the_while_is_busy(office: Office, what: str) -> None:
    await office.there.sessions.create_session(session())
    numbers = iter(range(100))

    async def change(operation: str, _: object) -> None:
        if operation == "TransactWriteItems":
            await office.there.sessions.update_session(ACME, "sess_1", None, {"n": next(numbers)}, later(9))
            await office.there.orgs.update_org_settings(ACME, {"burst_seconds": next(numbers)})

    ours: dict[str, Callable[[], Awaitable[object]]] = {
        "session": lambda: office.here.sessions.update_session(ACME, "sess_1", None, {"m": 1}, later(9)),
        "settings": lambda: office.here.orgs.update_org_settings(ACME, {"retention_days": 1}),
    }
    office.script.meanwhile = change
    with pytest.raises(MetadataBusy):
        await ours[what]()


# --- keys


async def test_a_caller_who_is_known_costs_three_consistent_reads_two_of_them_at_once(
    office: Office, clock: ManualClock
) -> None:
    door = door_to(office.here, clock)
    plain, _ = await door.new_key()
    await door.bind()
    await door.gate.authenticate(plain)
    clock.advance(10)
    told: list[tuple[str, object]] = []
    office.script.before = lambda operation, asked: told.append((operation, asked["ConsistentRead"]))
    office.script.after = lambda operation, _: told.append((operation, "answered"))
    assert (await door.gate.authenticate(plain)).org_id == ACME
    assert told == [
        ("Query", True),
        ("Query", "answered"),
        ("GetItem", True),
        ("GetItem", True),
        ("GetItem", "answered"),
        ("GetItem", "answered"),
    ]
    door.bcrypt.go.set()
    door.gate.close()


async def test_a_key_number_is_never_given_twice(office: Office) -> None:
    office.script.after = once(NO_ANSWER, "UpdateItem")
    first = await a_key(office.here, "first")
    with pytest.raises(AlreadyExists):
        await a_key(office.here, "first")
    assert await a_key(office.here, "second") > first + 1


async def test_a_key_whose_name_has_a_new_owner_meanwhile_is_revoked(office: Office) -> None:
    old = await a_key(office.there)
    news: list[int] = []

    async def hand_over(operation: str, _: object) -> None:
        if operation == "TransactWriteItems":
            office.script.meanwhile = None
            await office.there.keys.revoke_key(old)
            news.append(await a_key(office.there))

    office.script.meanwhile = hand_over
    assert await office.here.keys.revoke_key(old)
    enabled = [key.id for key in await office.there.keys.find_keys("prefix") if key.enabled]
    assert enabled == news
    with pytest.raises(AlreadyExists):
        await a_key(office.there)


async def test_a_key_that_goes_with_its_org_meanwhile_is_unknown(office: Office) -> None:
    key = await a_key(office.there)

    async def delete(operation: str, _: object) -> None:
        if operation == "TransactWriteItems":
            office.script.meanwhile = None
            await office.there.orgs.delete_org(ACME)

    office.script.meanwhile = delete
    assert not await office.here.keys.revoke_key(key)


async def test_an_org_that_is_deleted_meanwhile_gets_nothing_new(office: Office) -> None:
    for what in ("key", "agent", "session", "binding"):

        async def delete(operation: str, _: object) -> None:
            if operation == "TransactWriteItems":
                office.script.meanwhile = None
                await office.there.orgs.delete_org(ACME)

        office.script.meanwhile = delete
        with pytest.raises(NotFound):
            await CREATIONS[what](office.here)
        await office.there.orgs.create_org(Org(ACME, "again", START))
    assert await office.there.keys.list_keys(ACME) == []
    assert await office.there.agents.list_agents(ACME, 9, None) == []


# --- orgs


async def test_an_org_is_of_no_use_from_the_first_step_of_its_deletion_on(office: Office) -> None:
    await office.there.bindings.put_binding(BINDING)
    await a_key(office.there)
    office.script.before = lambda operation, _: NO_ANSWER if operation != "TransactWriteItems" else None
    with pytest.raises(MetadataBusy):
        await office.here.orgs.delete_org(ACME)
    assert await office.there.orgs.find_org(ACME) is None
    assert [org.id for org in await office.there.orgs.list_orgs()] == [OTHER]
    assert await office.there.bindings.list_bindings() == []
    with pytest.raises(NotFound):
        await office.there.sessions.create_session(session())
    with pytest.raises(AlreadyExists, match="is being deleted"):
        await office.there.orgs.create_org(Org(ACME, "again", START))
    assert await office.there.orgs.delete_org(ACME)
    assert await office.dynamo.get(prefix_key("prefix", 1)) is None
    assert await office.dynamo.get((GONE, ACME)) is None
    await office.there.orgs.create_org(Org(ACME, "again", START))


async def test_an_org_with_many_records_is_deleted_in_pieces(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.adapters.dynamodb.orgs._SOME", 2)
    for number in range(5):
        await office.there.sessions.create_session(session(number))
        await a_key(office.there, str(number))
    assert await office.there.orgs.delete_org(ACME)
    assert await office.there.sessions.list_sessions(ACME, None, None, 9, None) == []
    assert await office.there.keys.find_keys("prefix") == []


async def test_health_of_an_org_that_is_gone_is_not_posted(office: Office) -> None:
    await office.there.orgs.delete_org(ACME)
    await office.there.health.post_health([StoreHealth(ACME, True, 1), StoreHealth(OTHER, True, 1)])
    assert [one.org_id for one in await office.there.health.read_health()] == [OTHER]


async def test_settings_of_an_org_that_goes_meanwhile_are_not_changed(office: Office) -> None:
    async def delete(operation: str, _: object) -> None:
        if operation == "TransactWriteItems":
            office.script.meanwhile = None
            await office.there.orgs.delete_org(ACME)

    office.script.meanwhile = delete
    assert await office.here.orgs.update_org_settings(ACME, {"retention_days": 1}) is None
    assert await office.there.orgs.find_org(ACME) is None


# --- lists, agents, sessions, answers, the report


@pytest.mark.parametrize("status", [None, "active"])
async def test_a_page_makes_up_for_what_is_deleted_while_it_is_read(
    office: Office, status: str | None
) -> None:
    for number in range(6):
        await office.there.sessions.create_session(session(number))

    async def delete(operation: str, _: object) -> None:
        if operation == "BatchGetItem":
            office.script.meanwhile = None
            await office.there.sessions.delete_session(ACME, "sess_4")

    office.script.meanwhile = delete
    page = await office.here.sessions.list_sessions(ACME, None, status, 3, None)  # type: ignore[arg-type]
    assert [one.id for one in page] == ["sess_5", "sess_3", "sess_2"]


async def test_sessions_of_agents_whose_names_begin_alike_are_told_apart(office: Office) -> None:
    for number, name in enumerate(("a", "a#1", "a#00000000000000000001", "A", "ä", "a~")):
        await office.there.sessions.create_session(session(number, name))
    for name in ("a", "a#1", "ä"):
        assert len(await office.there.sessions.list_sessions(ACME, name, None, 9, None)) == 1
        assert await office.there.sessions.count_sessions(ACME, [name, name]) == (1, 1)


async def test_an_agent_that_is_deleted_between_two_reads_is_not_found(office: Office) -> None:
    await office.there.agents.create_agent(agent())

    async def delete(operation: str, _: object) -> None:
        if operation == "GetItem":
            await office.there.agents.delete_agent(ACME, "name 1")

    office.script.meanwhile = delete
    assert await office.here.agents.find_agent(ACME, "name 1") is None


async def test_an_agent_is_touched_by_name_and_id_and_never_brought_back(office: Office) -> None:
    await office.there.agents.create_agent(agent())
    await office.there.agents.create_agent(agent(2))

    async def others(operation: str, _: object) -> None:
        if operation == "UpdateItem":
            office.script.meanwhile = None
            await office.there.agents.touch_agents(ACME, {"agent_1": 900})
            await office.there.agents.delete_agent(ACME, "agent_2")

    office.script.meanwhile = others
    await office.here.agents.touch_agents(ACME, {"name 1": 500, "agent_1": 400, "agent_2": 7, "nobody": 1})
    (left,) = await office.there.agents.list_agents(ACME, 9, None)
    assert left.last_active_at is not None
    assert left.last_active_at.timestamp() == 900e-6


async def test_touching_what_is_unchanged_writes_nothing(office: Office) -> None:
    await office.there.agents.create_agent(agent())
    for _ in range(2):
        await office.here.agents.touch_agents(ACME, {"name 1": 500})
    assert office.script.calls.count("UpdateItem") == 1


async def test_a_session_that_is_deleted_meanwhile_is_not_brought_back(office: Office) -> None:
    await office.there.sessions.create_session(session())

    async def delete(operation: str, _: object) -> None:
        if operation == "TransactWriteItems":
            office.script.meanwhile = None
            await office.there.sessions.delete_session(ACME, "sess_1")

    office.script.meanwhile = delete
    assert await office.here.sessions.update_session(ACME, "sess_1", None, {"n": 2}, later(9)) is None
    assert await office.there.sessions.list_sessions(ACME, None, None, 9, None) == []


async def test_an_answer_that_the_table_did_not_drop_yet_is_none(office: Office) -> None:
    """DynamoDB drops what is over within days."""
    await office.there.replies.keep_reply(ACME, REPEATED, 100, 201, b"old")

    async def replace_it(operation: str, _: object) -> None:
        if operation == "DeleteItem":
            office.script.meanwhile = None
            await office.dynamo.write(Delete((reply_pk(ACME), REPEATED.key.hex())))
            await office.there.replies.keep_reply(ACME, REPEATED, 400, 201, b"new")

    office.script.meanwhile = replace_it
    assert await office.here.replies.begin_reply(ACME, REPEATED, 500, 200) is None
    assert await office.here.replies.begin_reply(ACME, REPEATED, 500, 200) == (201, b"new")


async def test_an_answer_says_when_the_table_may_drop_it(office: Office) -> None:
    await office.there.replies.keep_reply(ACME, REPEATED, 100_000_000, 201, b"{}")
    item = await office.dynamo.get((reply_pk(ACME), REPEATED.key.hex()))
    assert item is not None
    assert item["ttl"] == 100 + 2 * 86_400


async def test_kept_answers_that_are_no_objects_stay_when_a_session_is_deleted(office: Office) -> None:
    for number, body in enumerate((b'["sess_1"]', b'{"id": 1}', b'{"id": "sess_1", "metadata": {}}')):
        key = IdempotencyKey(bytes([number]) * 16, b"b" * 16)
        await office.there.replies.keep_reply(ACME, key, 1, 201, body)
    await office.there.sessions.delete_session(ACME, "sess_1")
    kept = [item["answer"] async for item in office.dynamo.query(reply_pk(ACME))]
    assert kept == [b'["sess_1"]', b'{"id": 1}', b'{"id":"sess_1"}']


async def test_a_report_that_no_item_has_room_for_is_refused(office: Office) -> None:
    text = b"".join(str(hash(("x", n))).encode() for n in range(100_000))
    with pytest.raises(DatabaseError, match="larger than one item"):
        await office.there.health.post_report(text, 1)
    await office.there.health.post_report(b"memtrace_up 1\n" * 100_000, 2)
    report = await office.there.health.read_report()
    assert report == (b"memtrace_up 1\n" * 100_000, 2)

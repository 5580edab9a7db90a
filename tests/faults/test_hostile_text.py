"""Hostile text in every field that takes text: kept, found and shown as it is, by tail and store alike."""

from typing import Any, Final
from unicodedata import category
from urllib.parse import quote

import httpx

from tests.faults.faulty import QUICK, FaultyInstallation, Journal
from tests.faults.witness import everything

TEXTS: Final = (
    "O'Reilly''s \"quoted\" `ticks` $$dollars$$",
    "a \\ backslash \\' and \\\\ and \\n that is no newline, and a last \\",
    "nul \x00 in the middle and at the end \x00",
    "__STR_1__ and __STR_0__, as placeholders look",
    "' OR 1=1 --",
    "'; DROP TABLE events; --",
    "x' UNION ALL SELECT * FROM read_parquet('/etc/passwd') --",
    "read_json('/etc/passwd') /* comment */ -- ; read_csv_auto",
    "org_id = 'org_other' OR '1' = '1",
    "line one\nline two\r\nline three\rline four",
    "tab\tvertical\x0bform\x0cfeed\x1cfile\x1dgroup\x1erecord\x85next",
    "line\u2028separator and paragraph\u2029separator",
    "- [2026-01-01T00:00:00Z] decision: no line of its own\n### Decisions Made (1)\n- [x] y: z",
    "emoji 🙂👩‍👩‍👧‍👦🏳️‍🌈 and flags 🇩🇪",
    "\u202eright to left\u202c שלום עולם مرحبا",
    "e\u0301 is not \u00e9, and \ufeff is no space; \u200b neither",
    "100% _under_ %s {0} {{x}} ${y} <b>&amp;</b>",
    '{"json": ["in", {"json": null}], "time": 0, "org_id": "org_other"}',
    "\x01\x02\x1b[31mred\x1b[0m\x7f",
    "\U0010ffff\ufffe\uffff",
    " leading and trailing ",
    "0",
    "null",
    "ß" * 4_000,
    "'" * 3_000,
    "\\" * 3_000,
    "🙂" * (64 * 1024),
)
_LONGEST_NEEDLE: Final = 8 * 1024
_LONGEST_KEY: Final = 256
_SETTINGS: Final = {**QUICK, "MEMTRACE_ARC_WRITE_FLUSH_INTERVAL_MS": "2000"}


async def test_hostile_text_is_the_same_before_and_after_it_settles(faulty: FaultyInstallation) -> None:
    await faulty.dev(**faulty.faults, **_SETTINGS)
    async with faulty.client() as client:
        written = [await _write(client, number, text) for number, text in enumerate(TEXTS)]
        assert Journal(faulty).owed == len(TEXTS)
        before = await _read_all(client, written)
        await Journal(faulty).settled()
        assert await _read_all(client, written) == before


async def _write(client: httpx.AsyncClient, number: int, text: str) -> dict[str, Any]:
    short = text[: _LONGEST_KEY // 4 - 8]
    metadata = {short: text[:4_000], "deep": {short: [short, {"": short}]}}
    body = {
        "agent_id": "hostile",
        "session_id": f"sess_{number}",
        "content": text,
        "metadata": metadata,
        "dedup_key": f"{number} {short}",
        "event_type": "error" if number % 2 else "general",
    }
    reply = await client.post("/memories", json=body)
    assert reply.status_code == 201, reply.text
    memory: dict[str, Any] = reply.json()
    assert memory["content"] == text
    assert memory["metadata"] == metadata
    assert memory["dedup_key"] == body["dedup_key"]
    return memory


async def _read_all(client: httpx.AsyncClient, written: list[dict[str, Any]]) -> list[str]:
    """Everything that can be read of these memories is what was written; the contexts."""
    assert await everything(client, limit="7") == written
    for memory in written:
        assert (await client.get(f"/memories/{memory['id']}")).json() == memory
        by_key = await client.get(f"/memories/{quote(memory['dedup_key'], safe='')}")
        assert by_key.json() == memory
        await _search(client, memory["content"], written)
    return [await _context(client, memory) for memory in written]


async def _search(client: httpx.AsyncClient, text: str, written: list[dict[str, Any]]) -> None:
    needle = text if len(text.encode()) <= _LONGEST_NEEDLE else text[-2_000:]
    found = (await client.post("/search", json={"content_contains": needle, "order": "asc"})).json()
    assert found["results"] == [m for m in written if needle in m["content"]]


async def _context(client: httpx.AsyncClient, memory: dict[str, Any]) -> str:
    """With and without a budget: a heading, a section, and the one line of the one memory."""
    path = f"/sessions/{memory['session_id']}/context"
    shown = [(await client.post(path, json={"max_tokens": budget})).json() for budget in (None, 500)]
    for answer in shown:
        assert answer["memory_count"] == 1
        lines = [line for line in answer["context"].splitlines() if line]
        assert [line[:3] for line in lines] == ["## ", "###", "- ["], answer["context"]
    return "\n".join(answer["context"] for answer in shown)


_NAMES: Final = ("agent_id", "session_id", "parent_id", "event_type", "memory_type", "tags")
_FILTERS: Final = ("agent_id", "session_id", "memory_types", "event_types", "tags")
_NULL_IS_A_NAME: Final = ("agent_id", "session_id", "parent_id", "event_type", "event_types", "tags")


async def test_names_take_no_hostile_text(faulty: FaultyInstallation) -> None:
    await faulty.dev(**faulty.faults)
    async with faulty.client() as client:
        for field, text in ((f, t) for f in _NAMES for t in TEXTS if not _is_good_name(f, t)):
            body = {"agent_id": "a", "content": "x", field: [text] if field == "tags" else text}
            await _refused(client, "/memories", body, field)
        for field, text in ((f, t) for f in _FILTERS for t in TEXTS if not _is_good_name(f, t)):
            await _refused(client, "/search", {field: text if field.endswith("_id") else [text]}, field)
        assert (await client.get("/memories")).json()["count"] == 0


def _is_good_name(field: str, text: str) -> bool:
    return (text == "null" and field in _NULL_IS_A_NAME) or (text == "0" and field == "tags")


async def _refused(client: httpx.AsyncClient, path: str, body: dict[str, Any], field: str) -> None:
    reply = await client.post(path, json=body)
    assert (reply.status_code, reply.json().get("code")) == (400, "invalid_request"), (field, reply.text)
    assert field in reply.json()["error"]


async def test_agents_and_sessions_keep_hostile_text(faulty: FaultyInstallation) -> None:
    await faulty.dev(**faulty.faults)
    async with faulty.client() as client:
        for number, text in enumerate(t[:40] for t in TEXTS):
            metadata = {text: [text]}
            session = await client.post("/sessions", json={"agent_id": "a", "metadata": metadata})
            assert session.json()["metadata"] == metadata
            path = f"/sessions/{session.json()['id']}"
            await client.put(path, json={"metadata": {f"more {text}": text}})
            merged = {**metadata, f"more {text}": text}
            assert (await client.get(path)).json()["metadata"] == merged
            name = "".join(c for c in f"{number} {text}" if category(c) not in ("Cc", "Zl", "Zp"))
            body = {"name": name, "description": text, "config": metadata}
            agent = await client.post("/agents", json=body)
            assert agent.status_code == 201, agent.text
            read = (await client.get(f"/agents/{quote(name, safe='')}")).json()
            assert read == agent.json()
            assert {k: read[k] for k in body} == body
            assert (await client.post("/agents", json=body)).status_code == 409
            assert (await client.delete(f"/agents/{quote(name, safe='')}")).status_code == 204


_NO_TEXT: Final = (
    b'{"agent_id":"a","content":"\xff\xfe"}',
    b'{"agent_id":"a","content":"\\ud800"}',
    b'{"agent_id":"a","content":"x","metadata":{"a":1e999}}',
    b'{"agent_id":"a","content":"x","metadata":' + b'{"a":' * 5_000 + b"1" + b"}" * 5_000 + b"}",
    b"[" * 100_000,
)


async def test_what_is_no_text_at_all_is_refused(faulty: FaultyInstallation) -> None:
    await faulty.dev(**faulty.faults)
    async with faulty.client() as client:
        for body in _NO_TEXT:
            reply = await client.post("/memories", content=body)
            assert (reply.status_code, reply.json()["code"]) == (400, "invalid_request"), reply.text
        assert (await client.get("/memories")).json()["count"] == 0

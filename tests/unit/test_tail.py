"""The tail's prefilters and index: they may let too much through, never too little."""

import string
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.adapters.sqlite import journal_reader
from core.adapters.sqlite.tail import needles
from core.adapters.sqlite.tail_index import TailIndex
from core.model.memory import MemoryFilter, OrgId, Span, encode, stamped
from tests.clock import ManualClock
from tests.contract.journals import ACME, OTHER, Workshop, draft, workshop

hostile = st.text(
    st.sampled_from(string.ascii_letters[:4] + "\"\\'\n\t\0/%_é漢😀{}:,u0") | st.characters(codec="utf-8"),
    max_size=12,
)
names = st.sampled_from(["a", "b", "c"])
tags = st.lists(st.sampled_from(["prod", "products", "x.y"]), unique=True, max_size=3)


@st.composite
def filters(draw: st.DrawFn) -> MemoryFilter:
    return MemoryFilter(
        agent_ids=tuple(draw(st.lists(names, max_size=2, unique=True))),
        session_id=draw(st.just("") | names),
        memory_types=tuple(draw(st.lists(st.sampled_from(["episodic", "decision"]), max_size=2))),
        event_types=tuple(draw(st.lists(st.sampled_from(["error", "general"]), max_size=1))),
        tags=tuple(draw(tags)),
        content_contains=draw(hostile),
        min_importance=draw(st.none() | st.sampled_from([0.0, 0.5])),
        dedup_key=draw(st.just("") | hostile),
    )


@st.composite
def drafts(draw: st.DrawFn) -> object:
    return draft(
        draw(hostile),
        key=draw(hostile.filter(bool)),
        agent_id=draw(names),
        session_id=draw(st.just("") | names),
        memory_type=draw(st.sampled_from(["episodic", "decision"])),
        event_type=draw(st.sampled_from(["error", "general"])),
        tags_csv=",".join(draw(tags)),
        importance=draw(st.sampled_from([0.0, 0.5, 1.0])),
        metadata_json=draw(hostile),
    )


@given(drafts(), filters())
def test_the_payload_of_a_match_contains_every_needle(made: object, filter: MemoryFilter) -> None:
    memory = stamped(made, ACME, 1)  # type: ignore[arg-type]
    if filter.matches(memory):
        line = encode(memory)
        assert all(needle.encode() in line for needle in needles(filter))


@given(hostile, hostile, hostile)
def test_a_part_of_a_content_is_found_in_its_payload(before: str, middle: str, after: str) -> None:
    line = encode(stamped(draft(before + middle + after), ACME, 1))
    assert all(needle.encode() in line for needle in needles(MemoryFilter(content_contains=middle)))


@pytest.fixture
async def shop(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Workshop]:
    with workshop(tmp_path / "m.db", clock) as opened:
        yield opened


@pytest.mark.parametrize("many", [10_000, 0])
async def test_every_filter_finds_what_it_means_and_nothing_else(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch, many: int
) -> None:
    monkeypatch.setattr(journal_reader, "_MANY", many)  # beyond which rows are scanned, in turns
    written = []
    for i in range(60):
        made = draft(
            f'line {i} "quoted" \\ back',
            agent_id="abc"[i % 3],
            session_id=("", "s1", "s2")[i % 3],
            memory_type=("episodic", "decision")[i % 2],
            event_type="error" if i % 5 == 0 else "general",
            tags_csv=("prod", "products", "prod,products", "")[i % 4],
            importance=i / 60,
        )
        receipt = (await shop.journal.append(ACME, [made], None))[0]
        written.append(receipt.memory)
        await shop.journal.append(OTHER, [made], None)
    for filter in (
        MemoryFilter(session_id="s1", tags=("prod",)),
        MemoryFilter(agent_ids=("a", "c")),
        MemoryFilter(tags=("prod",)),
        MemoryFilter(content_contains='1 "quoted" \\'),
        MemoryFilter(memory_types=("decision",), event_types=("error", "general")),
        MemoryFilter(min_importance=0.9),
        MemoryFilter(dedup_key=written[7].dedup_key if written[7] else ""),
        MemoryFilter(session_id="nobody"),
    ):
        expected = [m for m in written if m and filter.matches(m)]
        tail = await shop.journal.tail(ACME, filter, Span(0, 2**62), "desc", 7)
        assert tail.memories == expected[::-1][:7]
        rows = await shop.journal.tail_rows(ACME, filter)
        assert [r.time for r in rows.rows] == [m.time for m in expected]


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.sampled_from(["o1", "o2"]), st.sampled_from(["", "s", "t"]), names), max_size=40),
    st.integers(0, 40),
    st.sets(st.integers(0, 40)),
)
def test_the_index_is_a_list_of_times_that_can_forget(
    rows: list[tuple[str, str, str]], through: int, kept: set[int]
) -> None:
    index = TailIndex()
    for time, (org, session, agent) in enumerate(rows):
        index.add(OrgId(org), time, session, agent)
    alive = list(range(len(rows)))
    for org in ("o1", "o2", "o3"):
        stay = sorted(t for t in kept if t < len(rows) and rows[t][0] == org)
        index.prune(OrgId(org), through, stay)
        alive = [t for t in alive if rows[t][0] != org or t > through or t in stay]
    for org in ("o1", "o2", "o3"):
        mine = [t for t in alive if rows[t][0] == org]
        everything = Span(0, 100)
        assert list(index.times(OrgId(org), MemoryFilter(), everything)) == mine
        assert index.size(OrgId(org)) == len(mine)
        assert list(index.times(OrgId(org), MemoryFilter(session_id="s"), Span(3, 20))) == [
            t for t in mine if rows[t][1] == "s" and 3 <= t < 20
        ]
        assert list(index.times(OrgId(org), MemoryFilter(agent_ids=("a", "b")), everything)) == [
            t for t in mine if rows[t][2] in ("a", "b")
        ]

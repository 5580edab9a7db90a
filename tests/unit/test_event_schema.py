"""Stored rows as memories, also those of other writers."""

import msgspec

from core.adapters.events.schema import has_no_key, memory_of, tally_of
from core.model.memory import Memory, Tally, default_dedup_key

ROW = (7, "org", "agent", "sess", "decision", "error", "text", "{}", "a,b", "key", 0.5, "parent")


def test_a_row_is_a_memory() -> None:
    assert msgspec.structs.astuple(memory_of(ROW)) == ROW
    assert not has_no_key(ROW)


def test_nulls_stand_for_empty_values() -> None:
    row = (7, "org", *[None] * 10)
    assert has_no_key(row)
    assert memory_of(row) == Memory(
        7, "org", "", "", "episodic", "", "", "", "", default_dedup_key("", "", ""), 0.0, ""
    )


def test_a_row_without_a_key_gets_the_one_of_its_content() -> None:
    row = (*ROW[:9], "", *ROW[10:])
    assert memory_of(row).dedup_key == default_dedup_key("agent", "error", "text")


def test_counts_of_a_missing_type_go_to_the_default_one() -> None:
    assert tally_of((None, 3, 2, 1, 9, 0)) == Tally(
        total=3, by_type={"episodic": 3}, recent=2, recent_errors=1, last=9
    )

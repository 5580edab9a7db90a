"""What may be in a file that is imported, and what is said of what may not."""

import io
import json
from typing import Any

import pytest

from core.model.memory import OrgId, default_dedup_key, encode
from core.model.timewindow import rfc3339
from handlers.cli import given_lines
from handlers.cli.given_lines import Given, GivenLines
from handlers.cli.lines import lines_of
from tests import original
from tests.contract.event_stores import T0, memory

ORG = OrgId("org_target")
NOW = T0 + 10**12


def line(**changes: Any) -> dict[str, Any]:
    return {"agent_id": "a", "content": "x", "time": "2026-05-28T20:26:40Z", **changes}


def given(text: bytes | str, now: int = NOW) -> list[Given]:
    content = text.encode() if isinstance(text, str) else text
    return list(GivenLines(io.BytesIO(content), ORG, now))


def errors(text: bytes | str) -> dict[str, str]:
    return {one.where: one.error for one in given(text) if one.memory is None}


def jsonl(*lines: dict[str, Any]) -> str:
    return "".join(json.dumps(one) + "\n" for one in lines)


HOSTILE = [
    "'; DROP TABLE memories; --",
    "line\nbreak\r\n and \t tab",
    "\u2028\u2029\x00\x1b[31m",
    'quotes " \\ and \\n',
    "emoji 🦆 and e\u0301",
    '"memories": [1, 2]',
    "x" * 250_000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_what_was_exported_comes_back_as_it_was(text: str) -> None:
    one = memory(
        7,
        content=text,
        metadata_json='{"n":1.5,"deep":{"memories":["x"]},"big":12345678901234567890}',
        tags_csv="a,b.c",
        importance=0.25,
        parent_id="mem_1",
        session_id="",
    )
    (back,) = given(lines_of([one]))
    assert back.memory is not None
    assert encode(back.memory) == encode(one).replace(b'"org_id":"org_acme"', b'"org_id":"org_target"')
    assert back.memory.id == one.id


def test_the_original_s_listing_is_taken_as_it_is() -> None:
    content = (original.FOLDER / "listing.json").read_bytes()
    found = given(content, 2 * T0)
    assert len(found) == len(json.loads(content)["memories"])
    assert [one.error for one in found if one.error] == []
    keys = [one.memory.dedup_key for one in found if one.memory]
    assert keys == [m["dedup_key"] for m in json.loads(content)["memories"]]


@pytest.mark.parametrize("name", ["memories", "results"])
def test_an_answer_of_the_api_is_a_list_of_memories(name: str) -> None:
    answer = {name: [line(content="1"), line(content="2")], "count": 2, "has_more": False}
    found = given(json.dumps(answer) + "\n" + json.dumps(answer) + "\n")
    assert [one.memory.content for one in found if one.memory] == ["1", "2", "1", "2"]
    assert found[3].where == "line 2, memories[1]"


def test_an_array_is_a_list_too_on_one_line_or_many() -> None:
    array = [line(content="1"), line(content="2")]
    assert [one.where for one in given(json.dumps(array))] == ["line 1, memories[0]", "line 1, memories[1]"]
    assert [one.where for one in given(json.dumps(array, indent=2))] == ["memories[0]", "memories[1]"]


def test_a_memory_may_have_fields_named_like_lists() -> None:
    (one,) = given(jsonl(line(memories=[1], metadata={"results": []})))
    assert one.memory is not None


def test_empty_lists_lines_and_files_hold_nothing() -> None:
    assert given("") == []
    assert given("\n \n\r\n") == []
    assert given('{"memories": [], "count": 0}') == []


def test_lines_may_end_as_they_like() -> None:
    text = b"\xef\xbb\xbf" + json.dumps(line()).encode() + b"\r\n\r\n" + json.dumps(line()).encode()
    assert [one.where for one in given(text)] == ["line 1", "line 3"]
    assert errors(text) == {}


def test_the_org_is_the_one_that_was_asked_for() -> None:
    (one,) = given(jsonl(line(org_id="org_elsewhere")))
    assert one.memory is not None
    assert one.memory.org_id == ORG


def test_without_a_dedup_key_a_memory_gets_the_default_one() -> None:
    (one,) = given(jsonl(line(event_type="note")))
    assert one.memory is not None
    assert one.memory.dedup_key == default_dedup_key("a", "note", "x")


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("2026-05-28T20:26:40.123456Z", 123_456),
        ("2026-05-28 20:26:40", 0),
        ("2026-05-28T22:26:40+02:00", 0),
        ("2026-05-28T20:26:40.123456789Z", 123_456),
    ],
)
def test_times_are_read_to_the_microsecond(text: str, micros: int) -> None:
    (one,) = given(jsonl(line(time=text)))
    assert one.memory is not None
    assert one.memory.time == 1_780_000_000_000_000 + micros


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"time": None}, "time is required"),
        ({"time": ""}, "time is required"),
        ({"time": 7}, "time must be a string"),
        ({"time": "2h"}, "time must be ISO 8601"),
        ({"time": "now"}, "time must be ISO 8601"),
        ({"time": "9999-99-99"}, "time must be ISO 8601"),
        ({"time": "0001-01-01T00:00:00+23:00"}, "time must be"),
        ({"time": "1970-01-01T00:00:00Z"}, "time must be after 1970-04-26"),
        ({"time": "2999-01-01T00:00:00Z"}, "time must not be in the future"),
        ({"agent_id": ""}, "agent_id is required"),
        ({"content": ""}, "content is required"),
        ({"content": "x" * 300_000}, "content must be at most 256 KB"),
        ({"tags": ["a b"]}, "tags[0] must be"),
        ({"memory_type": "dream"}, "memory_type must be one of"),
        ({"importance": 2}, "importance must be"),
        ({"metadata": []}, "metadata must be an object"),
    ],
)
def test_what_is_wrong_is_said(changes: dict[str, Any], words: str) -> None:
    assert errors(jsonl(line(), line(**changes)))["line 2"].startswith(words)


@pytest.mark.parametrize(
    "text", [b"{", b"nonsense", b"\xff\xfe", b'"text"', b"7", b"[" * 5_000, b'{"memories": 7}']
)
def test_what_is_no_memory_is_said(text: bytes) -> None:
    found = errors(json.dumps(line()).encode() + b"\n" + text + b"\n" + json.dumps(line()).encode() + b"\n")
    assert list(found) == ["line 2"]


def test_a_document_that_is_broken_is_told_line_by_line() -> None:
    assert list(errors(json.dumps([line()], indent=2)[:-1])) != []


def test_a_line_that_is_too_long_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(given_lines, "LONGEST", 200)
    found = given(jsonl(line(), line(content="x" * 1_000), line()))
    assert [(one.where, one.error[:16]) for one in found] == [
        ("line 1", ""),
        ("line 2", "is longer than 0"),
        ("line 3", ""),
    ]


def test_a_file_can_be_gone_through_again() -> None:
    lines = GivenLines(io.BytesIO(jsonl(line(), line(content="y")).encode()), ORG, NOW)
    assert list(lines) == list(lines)
    assert len(list(lines)) == 2


def test_the_time_of_now_is_no_future() -> None:
    assert errors(jsonl(line(time=rfc3339(NOW)))) == {}

"""The queue message: what goes in comes out, always within a message, and nothing else is taken for one."""

import base64
import random
import zlib

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.model import envelope
from core.model.envelope import MOST_BYTES, MOST_PACKED, MOST_UNPACKED, Unpacked, pack, unpack
from core.model.errors import MessageUnreadable
from core.model.memory import Memory, OrgId, decode, encode, stamped
from handlers.http.checks import (
    MAX_CONTENT_BYTES,
    MAX_DEDUP_KEY_BYTES,
    MAX_METADATA_BYTES,
    MAX_TAGS,
)
from tests.unit.fakes import ORG, draft, memory

texts = st.text(max_size=200)
memories = st.builds(
    Memory,
    time=st.integers(1, 2**53 - 1),
    org_id=st.just(str(ORG)),
    agent_id=texts,
    session_id=texts,
    memory_type=st.sampled_from(["episodic", "session", "decision", "entity"]),
    event_type=texts,
    content=texts,
    metadata_json=texts,
    tags_csv=texts,
    dedup_key=texts,
    importance=st.floats(allow_nan=False, allow_infinity=False),
    parent_id=texts,
)


def body_of(value: object, form: str = "z", version: str = "1") -> str:
    """A message of anything, as a foreign hand may make it."""
    plain = value if isinstance(value, bytes) else msgspec.msgpack.encode(value)
    content = zlib.compress(plain) if form == "z" else plain
    return f"{version}.{form}.{base64.b64encode(content).decode()}"


def message(*given_: Memory, org_id: str = ORG) -> dict[str, object]:
    return {"org_id": org_id, "memories": list(given_)}


def all_of(bodies: list[str]) -> list[Memory]:
    return [decode(line) for body in bodies for line in unpack(body).lines.split(b"\n")]


# --- there and back


@given(st.lists(memories, min_size=1, max_size=20, unique_by=lambda m: m.time))
def test_what_is_packed_comes_out_in_the_order_of_time(given_: list[Memory]) -> None:
    packing = pack(ORG, given_)
    wanted = sorted(given_, key=lambda m: m.time)
    [packed] = packing.messages
    assert unpack(packed.body) == Unpacked(
        ORG, tuple(m.time for m in wanted), b"\n".join(encode(m) for m in wanted)
    )
    assert (packed.count, packing.left_out) == (len(given_), 0)


def test_a_message_is_ascii_text_that_xml_takes() -> None:
    [packed] = pack(ORG, [memory(5, content="\0\x01\ufffe\U0001f600")]).messages
    assert packed.body.isascii()
    assert packed.body.isprintable()


def test_repetitive_memories_are_deflated_and_random_ones_are_not() -> None:
    [small] = pack(ORG, [memory(1 + n, content="the same again and again") for n in range(500)]).messages
    noise = base64.b85encode(random.Random(1).randbytes(100)).decode()
    [plain] = pack(ORG, [stamped(draft(content=noise, dedup_key=noise[:60]), ORG, 7)]).messages
    assert small.body.startswith("1.z.")
    assert len(small.body) < 8_000
    assert plain.body[:4] in ("1.p.", "1.z.")
    assert unpack(plain.body).times == (7,)


def test_what_does_not_deflate_goes_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(envelope, "_LEVEL", 0)
    [packed] = pack(ORG, [memory(5)]).messages
    assert packed.body.startswith("1.p.")
    assert unpack(packed.body).times == (5,)


def test_a_memory_given_twice_is_sent_once() -> None:
    [packed] = pack(ORG, [memory(5), memory(5)]).messages
    assert packed.count == 1
    assert unpack(packed.body).times == (5,)


def test_nothing_makes_no_message() -> None:
    assert pack(ORG, []).messages == ()


# --- how large a message becomes


def largest(content: str, metadata: str) -> Memory:
    """A memory with everything as long as the API lets it be."""
    name = "n" * 128
    return Memory(
        time=2**52,
        org_id="o" * 128,
        agent_id=name,
        session_id=name,
        memory_type="episodic",
        event_type="e" * 64,
        content=content,
        metadata_json=metadata,
        tags_csv=",".join(["t" * 64] * MAX_TAGS),
        dedup_key="d" * (MAX_DEDUP_KEY_BYTES + 128),
        importance=0.1,
        parent_id=name,
    )


def noise(alphabet: str, size: int) -> str:
    """Characters of this alphabet that nothing deflates, in so many bytes of UTF-8."""
    each = len(alphabet[0].encode())
    return "".join(random.Random(7).choices(alphabet, k=size // each))


CONTROLS = "".join(map(chr, range(0x20))) + '"\\\x7f'
ALPHABETS = {
    "controls, six bytes each in JSON": CONTROLS,
    "quotes and backslashes": '"\\',
    "printable": "".join(map(chr, range(0x21, 0x7F))),
    "two bytes": "".join(map(chr, range(0x80, 0x700))),
    "three bytes": "".join(map(chr, range(0x800, 0xD000))),
    "four bytes": "".join(map(chr, range(0x10000, 0x20000))),
}


@pytest.mark.parametrize("alphabet", ALPHABETS.values(), ids=ALPHABETS)
def test_the_largest_memory_of_any_content_is_less_than_half_of_a_message(alphabet: str) -> None:
    one = largest(noise(alphabet, MAX_CONTENT_BYTES), noise(alphabet, MAX_METADATA_BYTES))
    packing = pack(OrgId("o" * 128), [one])
    [packed] = packing.messages
    assert packing.left_out == 0
    assert len(packed.body) < MOST_BYTES // 2
    assert all_of([packed.body]) == [one]


def test_the_bound_holds_before_deflating() -> None:
    """The proof: MessagePack adds five bytes a text at most, and the names of the columns."""
    one = largest(noise(ALPHABETS["four bytes"], MAX_CONTENT_BYTES), noise('"', MAX_METADATA_BYTES))
    assert len(msgspec.msgpack.encode(one)) < MAX_CONTENT_BYTES + MAX_METADATA_BYTES + 8 * 1024
    assert MAX_CONTENT_BYTES + MAX_METADATA_BYTES + 8 * 1024 < MOST_PACKED // 2
    assert len(base64.b64encode(bytes(MOST_PACKED + 1_024))) < MOST_BYTES - 20_000


def test_many_large_memories_are_split_and_each_is_in_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(envelope, "_LEVEL", 0)
    many = [
        memory(1 + n, content=noise(ALPHABETS["printable"], 200_000), metadata_json='{"a":1}')
        for n in range(10)
    ]
    packing = pack(ORG, many)
    assert [m.count for m in packing.messages] == [3, 3, 3, 1]
    assert max(len(m.body) for m in packing.messages) < MOST_BYTES
    assert all_of([m.body for m in packing.messages]) == many


@settings(max_examples=30)
@given(st.lists(st.integers(0, 400_000), min_size=1, max_size=12))
def test_no_message_is_ever_too_long(sizes: list[int]) -> None:
    many = [memory(1 + n, content="\x1f" * size) for n, size in enumerate(sizes)]
    packing = pack(ORG, many)
    assert all(len(m.body) <= MOST_BYTES for m in packing.messages)
    assert sum(m.count for m in packing.messages) + packing.left_out == len(many)
    assert all_of([m.body for m in packing.messages]) == many


def test_a_memory_that_no_message_holds_is_left_out_and_counted() -> None:
    packing = pack(ORG, [memory(1), memory(2, content="x" * (MOST_PACKED + 1)), memory(3)])
    assert packing.left_out == 1
    assert [unpack(m.body).times for m in packing.messages] == [(1, 3)]


# --- what is no message


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("", "no message of Memtrace"),
        ("hello", "no message of Memtrace"),
        ("1.z", "no message of Memtrace"),
        ("2.z.AAAA", "has version 2, and this is 1"),
        ("1.q.AAAA", "has the form 'q'"),
        ("1.z.A", "not base64"),
        ("1.z.AA AA", "not base64"),
        ("1.z.ääää", "not base64"),
        ("1.z.AAAA", "does not inflate"),
        ("1.p.", "something else than memories"),
        (body_of(b"\x00" * (MOST_UNPACKED + 1)), "inflates to more than"),
        (body_of(message(memory(5)))[:-8], "cut off"),
        ("1.z." + base64.b64encode(zlib.compress(b"x") + b"more").decode(), "cut off"),
        (body_of(7), "something else"),
        (body_of({"org_id": "org_a"}), "something else"),
        (body_of({"org_id": "org_a", "memories": [{"time": "5"}]}), "something else"),
        (body_of(b"\x91" * 100_000), "something else"),
        (body_of(b"\x82\xa6org_id\xa1\xff\xa8memories\x90", "p"), "something else"),
        (body_of(message()), "holds no memory"),
        (body_of(message(memory(5), org_id="")), "names no organization"),
        (body_of(message(memory(5), org_id="a b")), "names no organization"),
        (body_of(message(memory(5), org_id="org_b")), "of another organization"),
        (body_of(message(memory(0))), "a time that is none"),
        (body_of(message(memory(-5))), "a time that is none"),
        (body_of(message(memory(5), memory(2**53))), "a time that is none"),
        (body_of(message(memory(5), memory(7), memory(7))), "order of time"),
        (body_of(message(memory(5), memory(4), memory(8))), "order of time"),
        (body_of(message(memory(5, importance=float("nan")))), "importance that is no number"),
        (body_of(message(memory(5, importance=float("inf")))), "importance that is no number"),
    ],
)
def test_what_is_no_message_is_refused_with_the_reason(body: str, words: str) -> None:
    with pytest.raises(MessageUnreadable, match=words):
        unpack(body)


def test_a_refusal_holds_nothing_of_the_message() -> None:
    secret = "s3cret-text"
    broken = {"org_id": ORG, "memories": [{secret: secret, "time": secret}]}
    with pytest.raises(MessageUnreadable) as caught:
        unpack(body_of(broken))
    assert secret not in str(caught.value)


def test_a_bomb_is_not_inflated() -> None:
    bomb = zlib.compress(b"\0" * (200 << 20), 9)
    with pytest.raises(MessageUnreadable, match="inflates to more"):
        unpack(f"1.z.{base64.b64encode(bomb).decode()}")


@given(st.one_of(st.text(max_size=300), st.binary(max_size=300).map(lambda b: body_of(b))))
def test_any_text_is_read_or_refused(body: str) -> None:
    with pytest.raises(MessageUnreadable):
        unpack(body)


@given(st.integers(0, 10**6), st.integers(0, 255))
def test_a_message_with_one_byte_changed_is_read_or_refused(at: int, byte: int) -> None:
    plain = bytearray(msgspec.msgpack.encode(message(memory(5), memory(6))))
    plain[at % len(plain)] = byte
    try:
        unpacked = unpack(body_of(bytes(plain)))
    except MessageUnreadable:
        return
    rows = [decode(line) for line in unpacked.lines.split(b"\n")]
    assert [m.time for m in rows] == list(unpacked.times)
    assert {m.org_id for m in rows} == {unpacked.org_id}

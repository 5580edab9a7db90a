"""The items of deletions: where they lie, what they hold, and how they change together; pure but for reads.

A deletion has its own item in its org's partition, and a pointer to that from its id alone. While it is
open it has a place among what its org hides, which is all that readers look at, and while it is due one
in the list of what is due. All of them change in one transaction. `by` names the last change: whoever
changes a deletion on condition of it finds out whether somebody else did so meanwhile, or it itself.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import msgspec

from core.adapters.dynamodb.client import Dynamo
from core.adapters.dynamodb.items import Item
from core.adapters.dynamodb.keys import Key
from core.adapters.dynamodb.statements import Delete, Put, Step, Update
from core.adapters.dynamodb.table import PK, SK
from core.model.deletion import Deletion, Grave, Graves
from core.model.memory import Exclusion, Micros, OrgId

DUE: Final = "DUE"
"""The partition that lists what is due, by when."""
RULES: Final = "R#"
"""What the sort keys of exclusions that hide begin with."""
MEMORIES: Final = "M#"
"""What those of single memories begin with."""
_exclusion_in: Final = msgspec.json.Decoder(Exclusion).decode


def deletions_pk(org_id: OrgId) -> str:
    return f"D#{org_id}"


def deletion_key(org_id: OrgId, deletion_id: str) -> Key:
    return deletions_pk(org_id), deletion_id


def hidden_pk(org_id: OrgId) -> str:
    """The partition of what is hidden."""
    return f"G#{org_id}"


def pointer_key(deletion_id: str) -> Key:
    return f"DEL#{deletion_id}", "-"


def due_through(due: Micros) -> str:
    """The last sort key of what is due by then."""
    return f"{due:020d}#~"


def grave_id(org_id: OrgId, grave: Grave) -> str:
    """The id of the one deletion of this memory: who buries it at the same time makes the same one."""
    return _named(f"grave {org_id} {grave[0]} {grave[1].hex()}")


def retention_id(org_id: OrgId) -> str:
    """The id of the one deletion by which this org's retention is kept."""
    return _named(f"retention {org_id}")


def _named(text: str) -> str:
    return f"del_{sha256(text.encode()).hexdigest()[:24]}"


def text_of(exclusion: Exclusion) -> str:
    """As the items keep it."""
    return msgspec.json.encode(exclusion).decode()


def creation(
    deletion_id: str,
    org_id: OrgId,
    now: Micros,
    *,
    by: str,
    exclusion: Exclusion | None = None,
    grave: Grave | None = None,
) -> list[Step]:
    """The steps that make a pending deletion, due at once; the first fails where there is one."""
    time, key = grave or (None, None)
    pk, sk = deletion_key(org_id, deletion_id)
    item: Item = {
        PK: pk,
        SK: sk,
        "by": by,
        "at": now,
        "state": "pending",
        "exclusion": text_of(exclusion) if exclusion else None,
        "time": time,
        "key": key,
        "journal": 0,
        "store": 0,
        "checked": None,
        "due": now,
        "reason": "",
    }
    pointer = pointer_key(deletion_id)
    return [
        Put(item, "attribute_not_exists(#pk)"),
        Put({PK: pointer[0], SK: pointer[1], "org": org_id}),
        *map(Put, _places(item).values()),
    ]


def renewal(now: Micros, exclusion: Exclusion | None = None) -> dict[str, Any]:
    """The changes that put a deletion in force again: requested now, pending, due at once."""
    rule = {"exclusion": text_of(exclusion)} if exclusion else {}
    return {"at": now, "state": "pending", "due": now, "reason": "", **rule}


def change(item: Item, changes: Mapping[str, Any], by: str) -> list[Step]:
    """The steps that change a deletion and its places, as it was read; the first fails where it is not so.

    `journal` is not among the changes: whoever takes rows out adds to it.
    """
    new = {**item, **changes}
    told = ", ".join(f"#{name} = :new_{name}" for name in (*changes, "by"))
    values = {f"new_{name}": value for name, value in {**changes, "by": by}.items()}
    before, after = _places(item), _places(new)
    return [
        Update((item[PK], item[SK]), f"SET {told}", "#by = :by", {"by": item["by"], **values}),
        *(Delete(key) for key in before if key not in after),
        *(Put(place) for key, place in after.items() if before.get(key) != place),
    ]


def _places(item: Item) -> dict[Key, Item]:
    """Where it is listed."""
    deletion_id, org_id = item[SK], org_of(item)
    places: dict[Key, Item] = {}
    if item["state"] != "closed" and item["exclusion"] is not None:
        key = hidden_pk(org_id), RULES + deletion_id
        places[key] = {"rule": item["exclusion"], "pending": item["state"] == "pending"}
    elif item["state"] != "closed":
        key = hidden_pk(org_id), MEMORIES + deletion_id
        places[key] = {"time": item["time"], "key": item["key"]}
    if item["due"] is not None:
        places[DUE, f"{item['due']:020d}#{deletion_id}"] = {"org": org_id}
    return {key: {PK: key[0], SK: key[1], **values} for key, values in places.items()}


def org_of(item: Item) -> OrgId:
    return OrgId(item[PK].removeprefix("D#"))


def deletion_of(item: Item) -> Deletion:
    """An item as a value."""
    rule = item["exclusion"]
    return Deletion(
        id=item[SK],
        org_id=org_of(item),
        requested_at=item["at"],
        state=item["state"],
        exclusion=_exclusion_in(rule) if rule is not None else None,
        grave=(item["time"], item["key"]) if rule is None else None,
        from_journal=item["journal"],
        from_store=item["store"],
        checked_at=item["checked"],
        due_at=item["due"],
        reason=item["reason"],
    )


@dataclass(frozen=True, slots=True)
class Rule:
    """An exclusion that hides."""

    deletion_id: str
    exclusion: Exclusion
    is_pending: bool
    """Whether the store may still show what it covers."""


async def open_rules(dynamo: Dynamo, org_id: OrgId) -> list[Rule]:
    """The exclusions that hide now."""
    found = dynamo.query(hidden_pk(org_id), since=RULES, through=f"{RULES}~")
    return [_rule(item) async for item in found]


async def hidden(dynamo: Dynamo, org_id: OrgId) -> Graves:
    """What the open deletions of the org cover, by consistent reads."""
    exclusions: list[Exclusion] = []
    identities: list[Grave] = []
    async for item in dynamo.query(hidden_pk(org_id)):
        if item[SK].startswith(RULES):
            exclusions.append(_rule(item).exclusion)
        else:
            identities.append((item["time"], item["key"]))
    return Graves(tuple(exclusions), frozenset(identities))


def _rule(item: Item) -> Rule:
    return Rule(item[SK].removeprefix(RULES), _exclusion_in(item["rule"]), item["pending"])


async def items_of(dynamo: Dynamo, org_id: OrgId) -> AsyncIterator[Item]:
    """All deletions of the org, closed ones too, in no order."""
    async for item in dynamo.query(deletions_pk(org_id)):
        yield item


async def forget_deletions(dynamo: Dynamo, org_id: OrgId) -> None:
    """Drops the deletions of an org that is gone, pointers and places first. May be repeated."""
    some: list[Item] = []
    async for item in items_of(dynamo, org_id):
        some.append(item)
        if len(some) == _SOME:
            await _drop(dynamo, some)
            some = []
    await _drop(dynamo, some)


_SOME: Final = 200


async def _drop(dynamo: Dynamo, items: list[Item]) -> None:
    places = [key for item in items for key in (pointer_key(item[SK]), *_places(item))]
    await dynamo.batch_write(deletes=places)
    await dynamo.batch_write(deletes=[(item[PK], item[SK]) for item in items])

"""The items of deletions: where they lie, what they hold, and how they change together; pure.

A deletion has its own item in its org's partition, a pointer to that from its id alone, and a place in
the list of its org's. While it is open it has a place among what its org hides, which is all that readers
look at, and while it is due one in the list of what is due. All of them change in one transaction. `by`
names the last change: whoever changes a deletion on condition of it finds out whether somebody else did so
meanwhile, or it itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import msgspec

from core.adapters.dynamodb.items import Item
from core.adapters.dynamodb.keys import Key
from core.adapters.dynamodb.statements import Delete, Put, Step, Update
from core.adapters.dynamodb.table import PK, SK
from core.model.deletion import Deletion, Grave
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


def listed_pk(org_id: OrgId) -> str:
    """The partition that lists the org's deletions by when they were requested."""
    return f"L#{org_id}"


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
        *map(Put, places_of(item).values()),
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
    before, after = places_of(item), places_of(new)
    return [
        Update((item[PK], item[SK]), f"SET {told}", "#by = :by", {"by": item["by"], **values}),
        *(Delete(key) for key in before if key not in after),
        *(Put(place) for key, place in after.items() if before.get(key) != place),
    ]


def places_of(item: Item) -> dict[Key, Item]:
    """Where it is listed."""
    deletion_id, org_id = item[SK], org_of(item)
    places: dict[Key, Item] = {(listed_pk(org_id), f"{item['at']:020d}#{deletion_id}"): {}}
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


def rule_of(item: Item) -> Rule:
    """A place among what is hidden as a value."""
    return Rule(item[SK].removeprefix(RULES), _exclusion_in(item["rule"]), item["pending"])

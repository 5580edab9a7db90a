"""The items of deletions: where they lie, what they hold, and the changes that all who write them share.

A deletion has its own item in its org's partition, a pointer from its id alone, and, while it is due,
a place in the one list of what is due.
"""

import secrets
from hashlib import sha256
from typing import Any, Final

import msgspec

from core.adapters.dynamodb.client import ConditionFailed, Dynamo
from core.adapters.dynamodb.items import Item
from core.adapters.dynamodb.keys import Key, ledger_key
from core.adapters.dynamodb.statements import Delete, Put, Step, Update
from core.adapters.dynamodb.table import PK, SK
from core.model.deletion import Deletion, Grave, Graves
from core.model.memory import Exclusion, Micros, OrgId

DUE: Final = "DUE"
"""The partition that lists what is due, by when."""
_exclusion_in: Final = msgspec.json.Decoder(Exclusion).decode


def deletions_pk(org_id: OrgId) -> str:
    return f"D#{org_id}"


def deletion_key(org_id: OrgId, deletion_id: str) -> Key:
    return deletions_pk(org_id), deletion_id


def pointer_key(deletion_id: str) -> Key:
    return f"DEL#{deletion_id}", "-"


def due_key(due: Micros, deletion_id: str) -> Key:
    return DUE, f"{due:020d}#{deletion_id}"


def new_id() -> str:
    """`del_` and 24 hex digits."""
    return f"del_{secrets.token_hex(12)}"


def grave_id(org_id: OrgId, grave: Grave) -> str:
    """The id of the one deletion of this memory."""
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
    exclusion: Exclusion | None = None,
    grave: Grave | None = None,
) -> list[Step]:
    """The steps that make a pending deletion, due at once; the first fails where there is one."""
    time, key = grave or (None, None)
    item = {
        PK: deletions_pk(org_id),
        SK: deletion_id,
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
    pointer, due = pointer_key(deletion_id), due_key(now, deletion_id)
    return [
        Put(item, "attribute_not_exists(#pk)"),
        Put({PK: pointer[0], SK: pointer[1], "org": org_id}),
        Put({PK: due[0], SK: due[1], "org": org_id}),
    ]


def renewal(item: Item, now: Micros, exclusion: Exclusion | None = None) -> list[Step]:
    """The steps that put it in force again, pending and due at once, where nobody changed it meanwhile."""
    deletion_id, org_id = item[SK], item[PK].removeprefix("D#")
    values: dict[str, Any] = {
        "pending": "pending",
        "now": now,
        "none": "",
        "rule": text_of(exclusion) if exclusion else item["exclusion"],
    }
    change = "SET #state = :pending, #at = :now, #due = :now, #reason = :none, #exclusion = :rule"
    same, known = unchanged(item)
    due = due_key(now, deletion_id)
    steps: list[Step] = [
        Update((item[PK], deletion_id), change, same, {**values, **known}),
        Put({PK: due[0], SK: due[1], "org": org_id}),
    ]
    return steps + undue(item, but=now)


def unchanged(item: Item) -> tuple[str, dict[str, Any]]:
    """The condition, and its values, that state, rule and due time are as they were read."""
    told = {"was": item["state"], "ruled": item["exclusion"], "waited": item["due"]}
    return "#state = :was AND #exclusion = :ruled AND #due = :waited", told


def undue(item: Item, *, but: Micros | None = None) -> list[Step]:
    """The step that takes it off the list of what is due; none where it is not on it, or due `but` then."""
    if item["due"] is None or item["due"] == but:
        return []
    return [Delete(due_key(item["due"], item[SK]))]


def deletion_of(item: Item) -> Deletion:
    """An item as a value."""
    rule = item["exclusion"]
    return Deletion(
        id=item[SK],
        org_id=OrgId(item[PK].removeprefix("D#")),
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


def covered_by(deletions: list[Deletion]) -> Graves:
    """What these hide together."""
    return Graves(
        tuple(d.exclusion for d in deletions if d.exclusion is not None),
        frozenset(d.grave for d in deletions if d.grave is not None),
    )


async def open_deletions(dynamo: Dynamo, org_id: OrgId) -> list[Deletion]:
    """Those of the org that are not closed."""
    found = dynamo.query(deletions_pk(org_id), where="#state <> :closed", values={"closed": "closed"})
    return [deletion_of(item) async for item in found]


async def grow_version(dynamo: Dynamo, org_id: OrgId) -> None:
    """Readers look again. Once too often does no harm."""
    change = Update(ledger_key(org_id), "ADD #deletions_version :one", "attribute_exists(#pk)", {"one": 1})
    try:
        await dynamo.write(change)
    except ConditionFailed:
        return  # the org is gone, and nobody reads it


async def keep_stamps_after(dynamo: Dynamo, org_id: OrgId, time: Micros) -> None:
    """No memory of the org is stamped at or before this time by whoever reads its standing from now on."""
    later = "attribute_exists(#pk) AND (attribute_not_exists(#stamped_through) OR #stamped_through < :time)"
    try:
        await dynamo.write(Update(ledger_key(org_id), "SET #stamped_through = :time", later, {"time": time}))
    except ConditionFailed:
        return  # it is that far already

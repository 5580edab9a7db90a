"""Which stored rows a removal covers, as SQL that is never NULL."""

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256

from core.adapters.events.literal import literal
from core.adapters.events.sql import DERIVED_KEY
from core.model.deletion import Grave
from core.model.memory import Exclusion, OrgId
from core.ports import Removal

DIGEST = f"left(sha256({DERIVED_KEY}), 32)"
"""The 16 bytes of `claim_key` of a row's dedup key, as 32 hex digits."""


def covered(org_id: OrgId, removal: Removal) -> str:
    """True for the rows of this org that go, false for all others, whatever is NULL in them."""
    return _covered(org_id, removal, _is_one_of)


def covered_by_each(org_id: OrgId, removal: Removal) -> list[str]:
    """One predicate for each exclusion of the removal."""
    return [covered(org_id, Removal(removal.span, exclusions=(e,))) for e in removal.exclusions]


def covered_by_digest(org_id: OrgId, removal: Removal) -> str:
    """The same without any text in it but digests: Arc refuses words like DROP wherever they stand."""
    return _covered(org_id, removal, _is_one_of_digests)


_OneOf = Callable[[str, Sequence[str]], str]


def _covered(org_id: OrgId, removal: Removal, one_of: _OneOf) -> str:
    what = [f"({' AND '.join(_conditions(e, one_of))})" for e in removal.exclusions]
    if removal.graves:
        what.append(_by_identity(removal.graves))
    bounds = f"epoch_us(time) >= {removal.span.since:d} AND epoch_us(time) < {removal.span.until:d}"
    either = " OR ".join(what) if what else "false"
    return f"coalesce({bounds} AND {one_of('org_id', [org_id])} AND ({either}), false)"


def _conditions(exclusion: Exclusion, one_of: _OneOf) -> Iterator[str]:
    yield f"epoch_us(time) < {exclusion.until:d}"
    if exclusion.session_id:
        yield one_of("session_id", [exclusion.session_id])
    if exclusion.agent_ids:
        yield one_of("agent_id", exclusion.agent_ids)


def _is_one_of(column: str, values: Sequence[str]) -> str:
    return f"coalesce({column}, '') IN ({', '.join(map(literal, values))})"


def _is_one_of_digests(column: str, values: Sequence[str]) -> str:
    digests = ", ".join(f"'{sha256(value.encode()).hexdigest()}'" for value in values)
    return f"sha256(coalesce({column}, '')) IN ({digests})"


def _by_identity(graves: tuple[Grave, ...]) -> str:
    times = ", ".join(str(time) for time in sorted({time for time, _ in graves}))
    both = ", ".join(f"'{time:d}-{key.hex()}'" for time, key in graves)
    # The times alone first: no digest is made of other rows.
    return f"(epoch_us(time) IN ({times}) AND epoch_us(time) || '-' || {DIGEST} IN ({both}))"

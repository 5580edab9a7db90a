"""Which stored rows a removal covers, as SQL that is never NULL."""

from collections.abc import Iterator

from core.adapters.events.literal import literal
from core.adapters.events.sql import DERIVED_KEY
from core.model.deletion import Grave
from core.model.memory import Exclusion, OrgId
from core.ports import Removal

DIGEST = f"left(sha256({DERIVED_KEY}), 32)"
"""The 16 bytes of `claim_key` of a row's dedup key, as 32 hex digits."""


def covered(org_id: OrgId, removal: Removal) -> str:
    """True for the rows of this org that go, false for all others, whatever is NULL in them."""
    what = [_by_rule(exclusion) for exclusion in removal.exclusions]
    if removal.graves:
        what.append(_by_identity(removal.graves))
    bounds = f"epoch_us(time) >= {removal.span.since:d} AND epoch_us(time) < {removal.span.until:d}"
    either = " OR ".join(what) if what else "false"
    return f"coalesce({bounds} AND coalesce(org_id, '') = {literal(org_id)} AND ({either}), false)"


def _by_rule(exclusion: Exclusion) -> str:
    return f"({' AND '.join(_conditions(exclusion))})"


def _conditions(exclusion: Exclusion) -> Iterator[str]:
    yield f"epoch_us(time) < {exclusion.until:d}"
    if exclusion.session_id:
        yield f"coalesce(session_id, '') = {literal(exclusion.session_id)}"
    if exclusion.agent_ids:
        agents = ", ".join(literal(agent_id) for agent_id in exclusion.agent_ids)
        yield f"coalesce(agent_id, '') IN ({agents})"


def _by_identity(graves: tuple[Grave, ...]) -> str:
    times = ", ".join(str(time) for time in sorted({time for time, _ in graves}))
    both = ", ".join(f"'{time:d}-{key.hex()}'" for time, key in graves)
    # The times alone first: no digest is made of other rows.
    return f"(epoch_us(time) IN ({times}) AND epoch_us(time) || '-' || {DIGEST} IN ({both}))"

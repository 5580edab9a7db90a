"""What is hidden of an org, as readers and writers of the journal know it."""

from typing import Final

from core.adapters.dynamodb.client import Dynamo
from core.adapters.dynamodb.deletion_lists import hidden, open_rules
from core.model.deletion import NO_GRAVES, Graves
from core.model.memory import Micros, OrgId

_KNOWN_ORGS: Final = 1_024


class GraveBook:
    """Keeps what was read last of each org, under its version; lives on one event loop."""

    def __init__(self, dynamo: Dynamo) -> None:
        self._dynamo = dynamo
        self._known: dict[OrgId, tuple[int, Graves]] = {}

    def known(self, org_id: OrgId) -> tuple[int, Graves]:
        """What was read last, and its version; nothing at version 0."""
        return self._known.get(org_id, (0, NO_GRAVES))

    async def of(self, org_id: OrgId, version: int) -> Graves:
        """What is hidden, for whoever saw this version in the ledger: it may be newer than that."""
        if not version:
            return NO_GRAVES
        if self.known(org_id)[0] != version:
            if len(self._known) >= _KNOWN_ORGS:
                self._known.clear()
            self._known[org_id] = (version, await read_graves(self._dynamo, org_id))
        return self._known[org_id][1]


async def read_graves(dynamo: Dynamo, org_id: OrgId) -> Graves:
    """What the open deletions of the org cover, by consistent reads."""
    return await hidden(dynamo, org_id)


async def may_be_covered(dynamo: Dynamo, org_id: OrgId, time: Micros) -> bool:
    """Whether a pending exclusion ends after this time, and so may cover a memory that only the store has."""
    return any(rule.is_pending and time < rule.exclusion.until for rule in await open_rules(dynamo, org_id))

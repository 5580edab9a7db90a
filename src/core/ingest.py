"""The write road: a caller's drafts become durable memories of its org."""

import secrets
from collections.abc import Sequence

import msgspec

from core.model.memory import Draft
from core.model.tenant import Principal
from core.ports import IdempotencyKey, Journal, Receipt, Sender
from core.telemetry import Metrics


class Ingest:
    """Writes memories for whoever may. One instance serves all requests."""

    def __init__(
        self, *, journal: Journal, metrics: Metrics, deduplicates: bool, sender: Sender | None = None
    ) -> None:
        """Without a sender the journal itself is the queue."""
        self._journal = journal
        self._metrics = metrics
        self._deduplicates = deduplicates
        self._sender = sender

    async def write(
        self, principal: Principal, drafts: Sequence[Draft], idempotency: IdempotencyKey | None = None
    ) -> list[Receipt]:
        """One receipt per draft, in order; when it returns, everything created is durable and readable.

        What was created is sent on its way then, as far as that works: it is written, sent or not.
        Raises NoArcInstance before anything is written, and what `Journal.append` raises.
        """
        principal.bound()
        if not self._deduplicates:
            drafts = _made_unique(drafts, idempotency)
        receipts = await self._journal.append(principal.org_id, drafts, idempotency)
        created = sum(receipt.memory is not None for receipt in receipts)
        if created:
            self._metrics.count("memtrace_writes_total", created, "created")
            if self._sender is not None:
                await self._sender.send(principal.org_id, [r.memory for r in receipts if r.memory])
        if created < len(receipts):
            self._metrics.count("memtrace_writes_total", len(receipts) - created, "duplicate")
        return receipts


def _made_unique(drafts: Sequence[Draft], idempotency: IdempotencyKey | None) -> list[Draft]:
    """The drafts with a tail on each dedup key, so that equal ones stay apart.

    The tail comes from the idempotency key where there is one: a retry is the same memory.
    """
    token = idempotency.key.hex() if idempotency else secrets.token_hex(8)
    return [
        msgspec.structs.replace(draft, dedup_key=f"{draft.dedup_key}~{token}-{index}")
        for index, draft in enumerate(drafts)
    ]

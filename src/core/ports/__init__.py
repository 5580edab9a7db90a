"""What the services need from outside, one protocol per need.

Each docstring says what is atomic, what may be repeated, and which errors come out.
Adapters raise nothing but the errors of `core/model/errors.py`.
"""

from core.ports.backup import (
    ArchiveReader,
    ArchiveWriter,
    Bound,
    DatabaseContents,
    DatabaseCopier,
    DatabaseSwap,
    StoreFiles,
    Take,
)
from core.ports.clock import Clock
from core.ports.deletion import Deletions, Undertaker
from core.ports.journal import IdempotencyKey, Journal, JournalReader, Receipt, Tail, TailRow, TailRows
from core.ports.landing import Landing
from core.ports.master_keys import MasterKeys, MasterKeyTexts
from core.ports.metadata import (
    AgentStore,
    BindingStore,
    DatabaseReport,
    HealthBoard,
    KeyStore,
    OrgStore,
    Replies,
    SessionStore,
    StoreHealth,
)
from core.ports.moving import Moves
from core.ports.outbox import (
    Backlog,
    DeadLetter,
    DeadLetters,
    DeadMessage,
    DeadMessages,
    DeliveredRow,
    Expiry,
    Lease,
    Leases,
    Ledger,
    Outbox,
    Parcel,
    Queue,
    Sender,
)
from core.ports.seeding import Looking, Seedings
from core.ports.store import EventRemover, EventStore, Removal, Removed, StorePlaces

__all__ = [
    "AgentStore",
    "ArchiveReader",
    "ArchiveWriter",
    "Backlog",
    "BindingStore",
    "Bound",
    "Clock",
    "DatabaseContents",
    "DatabaseCopier",
    "DatabaseReport",
    "DatabaseSwap",
    "DeadLetter",
    "DeadLetters",
    "DeadMessage",
    "DeadMessages",
    "Deletions",
    "DeliveredRow",
    "EventRemover",
    "EventStore",
    "Expiry",
    "HealthBoard",
    "IdempotencyKey",
    "Journal",
    "JournalReader",
    "KeyStore",
    "Landing",
    "Lease",
    "Leases",
    "Ledger",
    "Looking",
    "MasterKeyTexts",
    "MasterKeys",
    "Moves",
    "OrgStore",
    "Outbox",
    "Parcel",
    "Queue",
    "Receipt",
    "Removal",
    "Removed",
    "Replies",
    "Seedings",
    "Sender",
    "SessionStore",
    "StoreFiles",
    "StoreHealth",
    "StorePlaces",
    "Tail",
    "TailRow",
    "TailRows",
    "Take",
    "Undertaker",
]

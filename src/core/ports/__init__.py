"""What the services need from outside, one protocol per need.

Each docstring says what is atomic, what may be repeated, and which errors come out.
Adapters raise nothing but the errors of `core/model/errors.py`. What backups need is in `core.ports.backup`
alone: an edge, which loads all else, has no use for it.
"""

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
    "Backlog",
    "BindingStore",
    "Clock",
    "DatabaseReport",
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
    "StoreHealth",
    "StorePlaces",
    "Tail",
    "TailRow",
    "TailRows",
    "Undertaker",
]

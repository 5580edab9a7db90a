"""Idempotency keys: the same request again gets the same answer again."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

from core.ids import Attempt
from core.model.errors import InvalidRequest
from core.model.memory import Micros, OrgId
from core.ports import Clock, IdempotencyKey, Replies
from handlers.http.ask import Ask, Reply

_HEADER: Final = b"idempotency-key"
_is_key: Final = re.compile(rb"[\x20-\x7e]{1,255}").fullmatch
_DIGEST_BYTES: Final = 16


def idempotency_of(ask: Ask, route: bytes) -> IdempotencyKey | None:
    """The request's idempotency key, None without one. Raises InvalidRequest for one that is malformed.

    The org is part of the key and the route of the body: keys of two orgs never meet, and one key
    for two routes is a conflict.
    """
    given = ask.headers.get(_HEADER)
    if given is None:
        return None
    if not _is_key(given):
        raise InvalidRequest(
            "the Idempotency-Key header must be 1 to 255 printable ASCII characters", field="Idempotency-Key"
        )
    return IdempotencyKey(_digest(ask.principal.org_id.encode(), given), _digest(route, ask.body))


def _digest(scope: bytes, content: bytes) -> bytes:
    hasher = blake2b(digest_size=_DIGEST_BYTES)
    hasher.update(b"%d:" % len(scope))
    hasher.update(scope)
    hasher.update(content)
    return hasher.digest()


class Repeats:
    """Keeps the answers of requests that are not memories; those the journal itself knows again."""

    def __init__(self, *, replies: Replies, clock: Clock, window: Micros) -> None:
        self._replies = replies
        self._clock = clock
        self._window = window
        self._turns: dict[tuple[OrgId, bytes], _Turn] = {}

    @property
    def waiting(self) -> int:
        """How many keys are in use at this moment."""
        return len(self._turns)

    async def once(
        self, ask: Ask, route: bytes, create: Callable[[Attempt | None], Awaitable[Reply]]
    ) -> Reply:
        """What `create` answers or, for a key that is known, what it answered then.

        `create` gets an attempt made of key and body, so that a repeat makes nothing twice even where the
        first answer could not be kept any more: the process died in between.
        What `create` refuses, by raising, is not kept: it changed nothing and may turn out otherwise.
        Equal keys wait for each other. Raises IdempotencyConflict.
        """
        key = idempotency_of(ask, route)
        if key is None:
            return await create(None)
        org_id = ask.principal.org_id
        async with self._turn(org_id, key.key):
            now = self._clock.micros()
            kept = await self._replies.begin_reply(org_id, key, now, now - self._window)
            if kept is not None:
                return Reply(*kept)
            reply = await create(Attempt(key.key + key.body, now - self._window))
            await self._replies.keep_reply(org_id, key, self._clock.micros(), reply.status, reply.body)
            return reply

    @asynccontextmanager
    async def _turn(self, org_id: OrgId, key: bytes) -> AsyncIterator[None]:
        """One at a time; the last one out takes the lock away."""
        turn = self._turns.setdefault((org_id, key), _Turn())
        turn.users += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.users -= 1
            if not turn.users:
                del self._turns[org_id, key]


@dataclass(slots=True)
class _Turn:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0

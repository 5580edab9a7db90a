"""Tells a language model what happened in a session: reads its newest memories and renders them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from core.model.context import render
from core.model.memory import MemoryFilter, MemoryQuery, Micros
from core.model.tenant import Principal
from core.recall import Recall

CANDIDATES: Final = 1_000
"""How many memories, the newest, are considered."""
MOST_TOKENS: Final = 1_000_000
"""A larger budget is treated as this one, so that the work is bounded."""


@dataclass(frozen=True, slots=True)
class ContextAnswer:
    """A session's context. `memory_count` are shown, `omitted` of the candidates are not."""

    session_id: str
    context: str
    memory_count: int
    truncated: bool
    """Whether anything is missing: memories, or the rest of a content."""
    omitted: int
    tokens: int
    """What the context is estimated to cost; never above the budget."""


class Storyteller:
    """Renders sessions, registered or not, for whoever may read them."""

    def __init__(self, *, recall: Recall) -> None:
        self._recall = recall

    async def context(
        self,
        principal: Principal,
        session_id: str,
        *,
        since: Micros | None,
        include_types: Sequence[str] = (),
        max_tokens: int | None = None,
    ) -> ContextAnswer:
        """The session's context since then; no or zero `max_tokens` means no budget.

        Raises what `Recall.search` raises.
        """
        query = MemoryQuery(
            filter=MemoryFilter(session_id=session_id, memory_types=tuple(include_types)),
            since=since,
            limit=CANDIDATES,
        )
        page = await self._recall.search(principal, query, "context")
        budget = min(max_tokens, MOST_TOKENS) if max_tokens else None
        rendered = await asyncio.to_thread(render, session_id, page.memories, budget)
        return ContextAnswer(
            session_id=session_id,
            context=rendered.text,
            memory_count=rendered.shown,
            truncated=rendered.truncated or page.has_more,
            omitted=rendered.omitted,
            tokens=rendered.tokens,
        )

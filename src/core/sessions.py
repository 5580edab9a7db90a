"""Sessions: bounded pieces of one agent's work."""

from datetime import datetime
from typing import Any

from core.ids import Attempt, new_id
from core.model.errors import AlreadyExists, NotFound
from core.model.memory import OrgId
from core.model.timewindow import moment_of
from core.model.work import Session, SessionStatus
from core.ports import Clock, SessionStore

After = tuple[datetime, str]
"""(created_at, id): a list goes on strictly after it."""


class Sessions:
    """The org always comes from the caller's key; the agent need not be registered."""

    def __init__(self, *, sessions: SessionStore, clock: Clock) -> None:
        self._sessions = sessions
        self._clock = clock

    async def create(
        self, org_id: OrgId, agent_id: str, metadata: dict[str, Any], attempt: Attempt | None = None
    ) -> Session:
        """A new, active session. An attempt may be repeated: the session made first is answered."""
        now = moment_of(self._clock.micros())
        session = Session(new_id("sess", attempt), org_id, agent_id, "active", metadata, now, now)
        try:
            await self._sessions.create_session(session)
        except AlreadyExists:
            first = _found(await self._sessions.find_session(org_id, session.id))
            if attempt is None or first.created_at >= moment_of(attempt.since):
                return first
            return await self.create(org_id, agent_id, metadata)
        return session

    async def find(self, org_id: OrgId, session_id: str) -> Session:
        """Raises NotFound."""
        return _found(await self._sessions.find_session(org_id, session_id))

    async def list(
        self,
        org_id: OrgId,
        agent_id: str | None,
        status: SessionStatus | None,
        limit: int,
        after: After | None,
    ) -> tuple[list[Session], After | None]:
        """A page, newest first, and after what the next one starts; None when this is the last."""
        sessions = await self._sessions.list_sessions(org_id, agent_id, status, limit + 1, after)
        page = sessions[:limit]
        return page, (page[-1].created_at, page[-1].id) if len(sessions) > limit else None

    async def update(
        self, org_id: OrgId, session_id: str, status: SessionStatus | None, metadata: dict[str, Any] | None
    ) -> Session:
        """Sets the status and merges the metadata (null takes a key away), both or neither.

        Raises NotFound, or InvalidRequest when the merged metadata would be too large.
        """
        now = moment_of(self._clock.micros())
        return _found(await self._sessions.update_session(org_id, session_id, status, metadata, now))


def _found(session: Session | None) -> Session:
    if session is None:
        raise NotFound("session not found")
    return session

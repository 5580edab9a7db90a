"""Which unsettled memories an org, a session or an agent has: times only, in memory, of the one
process that appends. It spares every append an index in the file (measured: 13 to 19 %).

A hint, and always a superset: a time whose row is gone or was rolled back is simply not found.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from core.model.memory import MemoryFilter, Micros, OrgId, Span

Series = array  # of "q": 8 bytes a memory, ascending


@dataclass(slots=True)
class _OrgTimes:
    all: "Series[int]" = field(default_factory=lambda: array("q"))
    sessions: dict[str, "Series[int]"] = field(default_factory=dict)
    agents: dict[str, "Series[int]"] = field(default_factory=dict)


class TailIndex:
    """Times arrive in ascending order, as they are stamped. Lives on one event loop."""

    def __init__(self) -> None:
        self._orgs: dict[OrgId, _OrgTimes] = {}

    def add(self, org_id: OrgId, time: Micros, session_id: str, agent_id: str) -> None:
        org = self._orgs.get(org_id)
        if org is None:
            org = self._orgs[org_id] = _OrgTimes()
        org.all.append(time)
        agent = org.agents.get(agent_id)
        if agent is None:
            agent = org.agents[agent_id] = array("q")
        agent.append(time)
        if session_id:
            session = org.sessions.get(session_id)
            if session is None:
                session = org.sessions[session_id] = array("q")
            session.append(time)

    def times(self, org_id: OrgId, filter: MemoryFilter, span: Span) -> "Series[int]":
        """A copy of the times in the span, of the narrowest series that holds all matches."""
        org = self._orgs.get(org_id)
        if org is None:
            return array("q")
        if filter.session_id:
            return _cut(org.sessions.get(filter.session_id), span)
        if filter.agent_ids:
            found = [_cut(org.agents.get(agent), span) for agent in filter.agent_ids]
            return found[0] if len(found) == 1 else array("q", sorted(t for s in found for t in s))
        return _cut(org.all, span)

    def size(self, org_id: OrgId) -> int:
        org = self._orgs.get(org_id)
        return len(org.all) if org else 0

    def orgs(self) -> Sequence[OrgId]:
        return list(self._orgs)

    def prune(self, org_id: OrgId, through: Micros, kept: Iterable[Micros]) -> None:
        """Forgets what is not after `through`, save `kept` (ascending): the stragglers still there."""
        org = self._orgs.get(org_id)
        if org is None:
            return
        keep = set(kept)
        org.all = _pruned(org.all, through, keep)
        for series in (org.sessions, org.agents):
            for name in [n for n, times in series.items() if times[0] <= through]:
                left = _pruned(series[name], through, keep)
                if left:
                    series[name] = left
                else:
                    del series[name]
        if not org.all:
            del self._orgs[org_id]


def _cut(times: "Series[int] | None", span: Span) -> "Series[int]":
    if times is None:
        return array("q")
    return times[bisect_left(times, span.since) : bisect_left(times, span.until)]


def _pruned(times: "Series[int]", through: Micros, keep: set[Micros]) -> "Series[int]":
    end = bisect_right(times, through)
    if not keep:
        return times[end:]
    return array("q", (t for t in times[:end] if t in keep)) + times[end:]

"""Divides a bounded good among orgs, so that none can take it from all others. Pure."""

from typing import Final, Literal

from core.model.memory import OrgId

_ROUNDING: Final = 1e-6
Lack = Literal["none left", "no share left"]


class Shares:
    """So many units in all. An org may take more as long as what it holds is below a multiple of
    what is free (a dynamic threshold).

    So an org that is alone gets `share` of all; where several want all they can get, each gets
    the same; and something is always free for one that holds nothing yet. What was given is not
    taken back: the share of an org shrinks as it gives back what it had before others came.
    """

    def __init__(self, total: int, share: float) -> None:
        self.total = total
        self._multiple = share / (1 - share)
        self._free = total
        self._held: dict[OrgId, int] = {}

    def take(self, org: OrgId, units: int = 1) -> Lack | None:
        """None: they are the org's until it gives them back. Else why it gets nothing."""
        if not units:
            return None
        if units > self._free:
            return "none left"
        held = self._held.get(org, 0)
        if held and held >= self._multiple * self._free - _ROUNDING:
            return "no share left"
        self._held[org] = held + units
        self._free -= units
        return None

    def give_back(self, org: OrgId, units: int = 1) -> None:
        """What was taken, once."""
        if not units:
            return
        self._free += units
        held = self._held[org] - units
        if held:
            self._held[org] = held
        else:
            del self._held[org]

    def held(self, org: OrgId) -> int:
        return self._held.get(org, 0)

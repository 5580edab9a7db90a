"""The circuit breaker of one org's store, and the register of all of them. Pure: time comes in.

closed ──failure──▶ open ──retry time──▶ half open ──one batch──▶ closed, or open for longer
"""

from collections.abc import Callable, Iterator
from typing import Final, Literal

from core.model.memory import OrgId

State = Literal["closed", "open", "half_open"]
FIRST_DELAY: Final = 1.0
LONGEST_DELAY: Final = 60.0


class Circuit:
    """Exponential backoff with full jitter between 1 and 60 seconds; times are monotonic seconds."""

    def __init__(self) -> None:
        self.failures = 0
        self.retry_at = 0.0
        self.reason = ""
        self._probing = False

    def state(self, now: float) -> State:
        if not self.failures:
            return "closed"
        return "open" if now < self.retry_at else "half_open"

    def allows(self, now: float) -> bool:
        """Whether a batch may go: any while closed, one at a time while half open."""
        state = self.state(now)
        return state == "closed" or (state == "half_open" and not self._probing)

    def begin(self) -> None:
        """A batch goes. `succeed`, `fail` or `abandon` has to follow."""
        self._probing = True

    def abandon(self) -> None:
        """The batch ended without telling anything about the store."""
        self._probing = False

    def succeed(self) -> bool:
        """The store took it. True when this closed an open circuit."""
        reopened = self.failures > 0
        self.failures, self.reason, self._probing = 0, "", False
        return reopened

    def fail(self, now: float, roll: float, reason: str, at_least: float = 0.0) -> float:
        """The store did not take it; `roll` is random in [0, 1). Returns the seconds to wait."""
        ceiling = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(self.failures + 1, 16))
        delay = min(LONGEST_DELAY, max(FIRST_DELAY, roll * ceiling, at_least))
        self.failures += 1
        self.retry_at, self.reason, self._probing = now + delay, reason, False
        return delay


class Circuits:
    """One circuit an org. Only those that are not closed take room."""

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._circuits: dict[OrgId, Circuit] = {}

    def of(self, org_id: OrgId) -> Circuit:
        """The org's circuit, to look at; change it through this register."""
        return self._circuits.get(org_id) or Circuit()

    def begin(self, org_id: OrgId) -> None:
        if org_id in self._circuits:
            self._circuits[org_id].begin()

    def abandon(self, org_id: OrgId) -> None:
        self.of(org_id).abandon()

    def succeed(self, org_id: OrgId) -> bool:
        circuit = self._circuits.pop(org_id, None)
        return circuit is not None and circuit.succeed()

    def fail(self, org_id: OrgId, now: float, reason: str, at_least: float = 0.0) -> Circuit:
        """Opens the circuit, or keeps it open for longer."""
        circuit = self._circuits.setdefault(org_id, Circuit())
        circuit.fail(now, self._random(), reason, at_least)
        return circuit

    def reset(self, org_id: OrgId) -> None:
        """Forgets what is known of the org's store: it is another one now."""
        self._circuits.pop(org_id, None)

    def __iter__(self) -> Iterator[OrgId]:
        return iter(list(self._circuits))

    def __len__(self) -> int:
        return len(self._circuits)

"""Where the master key is kept, when it is not in the process's own settings."""

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class MasterKeyTexts:
    """Base64 texts, shown to nobody: what seals, and what may still have to be opened with."""

    current: str = field(repr=False)
    previous: tuple[str, ...] = field(default=(), repr=False)


class MasterKeys(Protocol):
    """A place that keeps the master key and, once that was changed, the one before."""

    @property
    def name(self) -> str:
        """As messages call it; nothing secret."""
        ...

    async def read(self) -> MasterKeyTexts:
        """What it holds now. Raises MasterKeyError saying what stands in the way, within seconds."""
        ...

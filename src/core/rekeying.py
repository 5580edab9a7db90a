"""Seals every stored key anew with the current master key, after that was changed.

Nothing is remembered between runs: each row says itself which key it is sealed with, so a run that
was killed is ended by another one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from core.model.errors import MasterKeyError
from core.model.memory import OrgId
from core.model.tenant import SealedBinding
from core.ports import BindingStore
from core.vault import Vault

_TRIES: Final = 5
"""Of one row that others change at the same time."""

Outcome = Literal["resealed", "current", "locked", "changing", "gone"]
"""`locked`: no key at hand opens it. `changing`: somebody changed it at every try. `gone`: meanwhile."""


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one org's binding."""

    org_id: OrgId
    outcome: Outcome
    reason: str = ""


class Rekeying:
    """Arc keys and admin keys of all bindings. Safe beside everything that reads or changes them."""

    def __init__(self, *, bindings: BindingStore, vault: Vault) -> None:
        self._bindings = bindings
        self._vault = vault

    async def run(self, *, dry_run: bool = False, seen: Callable[[Row], None] = lambda _: None) -> list[Row]:
        """Each row once, in a step of its own: a row that was changed meanwhile is not overwritten.

        A `dry_run` changes nothing and says what would become of it. May be repeated.
        """
        rows = []
        for sealed in await self._bindings.list_bindings():
            row = self._judged(sealed) if dry_run else await self._resealed(sealed)
            rows.append(row)
            seen(row)
        return rows

    def _judged(self, sealed: SealedBinding) -> Row:
        try:
            anew = self._vault.resealed(sealed)
        except MasterKeyError as error:
            return Row(sealed.org_id, "locked", error.message)
        return Row(sealed.org_id, "current" if anew is sealed else "resealed")

    async def _resealed(self, sealed: SealedBinding) -> Row:
        org_id, found = sealed.org_id, sealed
        for _ in range(_TRIES):
            try:
                anew = self._vault.resealed(found)
            except MasterKeyError as error:
                return Row(org_id, "locked", error.message)
            if anew is found:
                return Row(org_id, "current")
            if await self._bindings.reseal_binding(found, anew):
                return Row(org_id, "resealed")
            now = await self._bindings.find_binding(org_id)
            if now is None:
                return Row(org_id, "gone")
            found = now
        return Row(org_id, "changing", "it was changed by others at every try")

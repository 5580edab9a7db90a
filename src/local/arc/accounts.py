"""Arc's tokens and what they may do. They are for everything the server holds, not for one database."""

import secrets
from dataclasses import dataclass
from typing import Any, Final

PERMISSIONS: Final = ("read", "write", "delete", "admin")
DEFAULT: Final = ("read", "write")


@dataclass(frozen=True, slots=True)
class Account:
    """One token's owner."""

    id: int
    name: str
    permissions: tuple[str, ...]

    def may(self, permission: str) -> bool:
        """An admin may all; the permission `delete` is not enough for anything that asks for admin."""
        return "admin" in self.permissions or permission in self.permissions

    @property
    def shown(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "permissions": list(self.permissions),
            "enabled": True,
            "expires_at": None,
        }


class Accounts:
    """In memory only: a restarted double knows the tokens it was given, no other."""

    def __init__(self, admin_token: str) -> None:
        self._tokens: dict[str, Account] = {admin_token: Account(1, "admin", PERMISSIONS)}
        self._last = 1

    def create(self, name: str, permissions: tuple[str, ...] = DEFAULT) -> str:
        """A new token, shown this once."""
        self._last += 1
        token = secrets.token_urlsafe(32)
        self._tokens[token] = Account(self._last, name, permissions)
        return token

    def of(self, token: str) -> Account | None:
        return self._tokens.get(token)

    def all(self) -> list[Account]:
        return sorted(self._tokens.values(), key=lambda account: account.id)

    def revoke(self, id: int) -> bool:
        """False when there was none."""
        before = len(self._tokens)
        self._tokens = {token: account for token, account in self._tokens.items() if account.id != id}
        return len(self._tokens) < before

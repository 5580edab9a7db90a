"""A first look at a store that was just bound."""

import asyncio
from typing import TYPE_CHECKING, Final

from core.model.errors import ConfigurationError, StoreError
from core.model.memory import OrgId

if TYPE_CHECKING:
    from core.bootstrap.admin import Admin

CHECK_SECONDS: Final = 15.0


async def what_is_wrong(admin: "Admin", org_id: OrgId) -> tuple[str, str]:
    """Why the org's store cannot be used as it is bound, and the way out; empty when it can."""
    sealed = await admin.bindings.find_binding(org_id)
    if sealed is None:
        return "", ""
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await admin.store.check(admin.vault.binding(sealed))
    except (StoreError, ConfigurationError) as e:
        return e.message, e.hint or ""
    except TimeoutError:
        return f"no answer within {CHECK_SECONDS:.0f} s", "check that it runs, and the way to it"
    return "", ""

"""The embedded store of a deployment that has none: its processes share no disk, so `file:` is no place."""

from typing import Final, NoReturn

from core.model.errors import StoreUnreachable
from core.model.memory import Memory, MemoryFilter, Micros, Order, Position, Span, Tally
from core.model.tenant import Binding
from core.ports import Parcel

_HIDES_FOR: Final = 15.0


class Folderless:
    """Every call raises StoreUnreachable, so that no binding to a folder is made and none is used."""

    hides_for = _HIDES_FOR

    async def prepare(self, binding: Binding) -> None:
        _refuse()

    async def append(self, binding: Binding, parcel: Parcel) -> None:
        _refuse()

    async def search(
        self,
        binding: Binding,
        filter: MemoryFilter,
        span: Span,
        order: Order,
        limit: int,
        after: Position | None,
    ) -> list[Memory]:
        _refuse()

    async def identities(
        self, binding: Binding, filter: MemoryFilter, span: Span
    ) -> list[tuple[Micros, str, str, str]]:
        _refuse()

    async def tally(self, binding: Binding, filter: MemoryFilter, span: Span, recent_since: Micros) -> Tally:
        _refuse()

    async def earliest(self, binding: Binding) -> Micros | None:
        _refuse()

    async def check(self, binding: Binding) -> None:
        _refuse()


def _refuse() -> NoReturn:
    raise StoreUnreachable(
        "this deployment keeps no folders of memories",
        hint="bind the organization to an Arc: `memtrace org add-arc ORG_ID --url https://…`",
    )

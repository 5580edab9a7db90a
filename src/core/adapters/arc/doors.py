"""The doors of an Arc that this project uses: one call each, its answer judged.

Raises the errors of `client.py` and `replies.py`.
"""

from typing import Final
from urllib.parse import urlsplit

import msgspec

from core.adapters.arc.answers import Row, columnar_rows, counted, counted_rows, counting
from core.adapters.arc.bodies import ENCODINGS
from core.adapters.arc.client import ArcClient, Request
from core.adapters.arc.payload import Compression, compressed
from core.adapters.arc.replies import Reply, admin_error, no_arc, query_error, write_error
from core.model.errors import StoreAmbiguous, StoreDenied
from core.model.memory import Micros
from core.model.tenant import Binding
from core.ports import Clock

_WRITE: Final = "/api/v1/write/msgpack"
_QUERY: Final = "/api/v1/query"
_QUERY_COLUMNAR: Final = "/api/v1/query/msgpack"
_VERIFY: Final = "/api/v1/auth/verify"
_HEALTH: Final = "/health"
_FLUSH: Final = "/api/v1/write/line-protocol/flush"
_DELETE: Final = "/api/v1/delete"
_UNKNOWN: Final = (404, 405, 501)
_BELIEVED: Final = 600.0
"""Seconds for which an Arc without the columnar door is not asked for it again."""
_MOST_REMEMBERED: Final = 1_000


class ArcDoors:
    """What one Arc can do for a binding."""

    def __init__(self, *, client: ArcClient, clock: Clock, compression: Compression) -> None:
        self._client = client
        self._clock = clock
        self._compression = compression
        self._without_columnar: dict[str, float] = {}

    async def write(self, binding: Binding, body: bytes, timeout: float) -> None:
        """Returns when the Arc has taken it into its memory, which is not its disk."""
        sent = compressed(body, self._compression, is_near=_is_near(binding))
        headers = {"content-type": "application/msgpack"}
        reply = await self._client.ask(
            binding, Request("POST", _WRITE, binding.arc_key, sent, headers), timeout
        )
        if not reply.is_success:
            raise write_error(reply)
        if reply.status != 204:
            raise no_arc()

    async def query(self, binding: Binding, sql: str, timeout: float, *, order: str = "") -> list[Row] | None:
        """The rows, all of them; None when the Arc found no file to read.

        `order` is the statement's own, in names of its columns, where that matters.
        """
        if self._has_columnar(binding):
            reply = await self._post(binding, _QUERY_COLUMNAR, sql, timeout)
            if reply.is_success:
                return columnar_rows(reply)
            if reply.status not in _UNKNOWN:
                raise query_error(reply)
            self._lacks_columnar(binding)
        return await self._query_counted(binding, sql, order, timeout)

    async def _query_counted(
        self, binding: Binding, sql: str, order: str, timeout: float
    ) -> list[Row] | None:
        """By the door that may end an answer early: what came is compared with what was to come."""
        rows = counted_rows(await self._answer(binding, counted(sql, order), timeout))
        if rows == []:
            number = counted_rows(await self._answer(binding, counted(counting(sql)), timeout))
            if number != [(0,)]:
                raise StoreAmbiguous("the Arc's answer is not whole")
        return rows

    async def _answer(self, binding: Binding, sql: str, timeout: float) -> Reply:
        reply = await self._post(binding, _QUERY, sql, timeout)
        if not reply.is_success:
            raise query_error(reply)
        return reply

    def _lacks_columnar(self, binding: Binding) -> None:
        if len(self._without_columnar) >= _MOST_REMEMBERED:
            self._without_columnar.clear()
        self._without_columnar[binding.url] = self._clock.monotonic()

    def _has_columnar(self, binding: Binding) -> bool:
        found_at = self._without_columnar.get(binding.url)
        if found_at is not None and self._clock.monotonic() - found_at >= _BELIEVED:
            del self._without_columnar[binding.url]
            return True
        return found_at is None

    async def _post(self, binding: Binding, path: str, sql: str, timeout: float) -> Reply:
        body = msgspec.json.encode({"sql": sql})
        headers = {"content-type": "application/json"}
        if not _is_near(binding):
            headers["accept-encoding"] = ENCODINGS
        request = Request("POST", path, binding.arc_key, body, headers, is_harmless=True)
        return await self._client.ask(binding, request, timeout)

    async def flush(self, binding: Binding, timeout: float) -> None:
        """Returns when this Arc has written out all that it held in memory. Needs the admin key."""
        reply = await self._client.ask(binding, Request("POST", _FLUSH, binding.admin_key), timeout)
        if not reply.is_success:
            raise admin_error(reply)

    async def delete(self, binding: Binding, predicate: str, timeout: float, *, dry_run: bool) -> int | None:
        """How many rows went, or would; None when they are more than the Arc removes at once.

        Needs the admin key. Raises StoreAmbiguous when only some of the files were rewritten.
        """
        asked = {
            "database": binding.database,
            "measurement": binding.measurement,
            "where": predicate,
            "dry_run": dry_run,
            "confirm": True,
        }
        request = Request(
            "POST",
            _DELETE,
            binding.admin_key,
            msgspec.json.encode(asked),
            {"content-type": "application/json"},
        )
        reply = await self._client.ask(binding, request, timeout)
        if reply.status == 400 and b"exceeding maximum" in reply.body:
            return None
        if reply.status == 207:
            raise StoreAmbiguous("the Arc rewrote only some of the files")
        if not reply.is_success:
            raise admin_error(reply)
        try:
            return msgspec.json.decode(reply.body, type=_Deleted).deleted_count
        except (msgspec.DecodeError, UnicodeDecodeError) as e:
            raise no_arc() from e

    async def verify(self, binding: Binding, timeout: float) -> None:
        """Returns when the key may read and write, as far as the Arc says. Raises StoreDenied."""
        request = Request("GET", _VERIFY, binding.arc_key, is_harmless=True)
        reply = await self._client.ask(binding, request, timeout)
        if reply.status == 401:
            raise query_error(reply)
        if not reply.is_success:
            return  # an Arc without authentication has no such door
        lacking = {"read", "write"} - _permissions(reply)
        if lacking:
            raise StoreDenied(
                f"the binding's key may not {' nor '.join(sorted(lacking))}",
                hint="give the binding a key that may read and write: `memtrace org add-arc`",
            )

    async def running_since(self, binding: Binding, timeout: float) -> Micros | None:
        """When this Arc was started, by our clock, or a moment later; None where it does not say."""
        request = Request("GET", _HEALTH, binding.arc_key, is_harmless=True)
        reply = await self._client.ask(binding, request, timeout)
        try:
            up = msgspec.json.decode(reply.body, type=_Health).uptime_sec if reply.is_success else None
        except (msgspec.DecodeError, UnicodeDecodeError):
            up = None
        return None if up is None else self._clock.micros() - round(up * 1_000_000)


class _Health(msgspec.Struct):
    uptime_sec: float | None = None


class _Deleted(msgspec.Struct):
    deleted_count: int


class _Verified(msgspec.Struct):
    permissions: list[str] | None = None


def _permissions(reply: Reply) -> set[str]:
    """What the key may; all of it where the Arc's roles say so elsewhere, or not at all."""
    everything = {"read", "write"}
    try:
        named = msgspec.json.decode(reply.body, type=_Verified).permissions
    except (msgspec.DecodeError, UnicodeDecodeError) as e:
        raise no_arc() from e
    if not named or "admin" in named:
        return everything
    return everything & set(named)


def _is_near(binding: Binding) -> bool:
    """Whether the Arc is on this machine, by its name or address."""
    host = urlsplit(binding.url).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")

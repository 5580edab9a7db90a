"""An `AwsApi` that lets calls through, and has them fail as a test wishes."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from core.adapters.aws.api import AwsApi, AwsError, Service

Verdict = AwsError | None


class ScriptedAws:
    """Asks `before` and `after` about every call: an error stops it, or hides its answer."""

    def __init__(self, api: AwsApi) -> None:
        self._api = api
        self.before: Callable[[str, Mapping[str, Any]], Verdict] = lambda *_: None
        self.after: Callable[[str, Mapping[str, Any]], Verdict] = lambda *_: None
        self.change: Callable[[str, dict[str, Any]], dict[str, Any]] = lambda _, answer: answer
        self.calls: list[str] = []
        self.meanwhile: Callable[[str, Mapping[str, Any]], Awaitable[None]] | None = None
        """What others do just before the call; it may make calls of its own, and take itself away."""

    async def call(
        self, service: Service, operation: str, parameters: Mapping[str, Any], timeout: float
    ) -> dict[str, Any]:
        self.calls.append(operation)
        if self.meanwhile is not None:
            others, self.meanwhile = self.meanwhile, _under_way
            await others(operation, parameters)
            if self.meanwhile is _under_way:
                self.meanwhile = others
        if error := self.before(operation, parameters):
            raise error
        answer = await self._api.call(service, operation, parameters, timeout)
        if error := self.after(operation, parameters):
            raise error
        return self.change(operation, answer)

    async def close(self) -> None:
        await self._api.close()


async def _under_way(operation: str, parameters: Mapping[str, Any]) -> None:
    """Instead of `meanwhile` while that runs."""


class Repeating:
    """An `AwsApi` that, as the real ones do, calls once more what got no answer."""

    def __init__(self, api: AwsApi) -> None:
        self._api = api

    async def call(
        self, service: Service, operation: str, parameters: Mapping[str, Any], timeout: float
    ) -> dict[str, Any]:
        try:
            return await self._api.call(service, operation, parameters, timeout)
        except AwsError as error:
            if error.code:
                raise
            return await self._api.call(service, operation, parameters, timeout)

    async def close(self) -> None:
        await self._api.close()


class Remembering:
    """An `AwsApi` that knows a repeated transaction by its token, as AWS does and moto does not."""

    def __init__(self, api: AwsApi) -> None:
        self._api = api
        self._done: dict[str, dict[str, Any]] = {}

    async def call(
        self, service: Service, operation: str, parameters: Mapping[str, Any], timeout: float
    ) -> dict[str, Any]:
        token = parameters.get("ClientRequestToken", "")
        if token not in self._done:
            answer = await self._api.call(service, operation, parameters, timeout)
            if not token:
                return answer
            self._done[token] = answer
        return self._done[token]

    async def close(self) -> None:
        await self._api.close()


def once(error: AwsError, operation: str) -> Callable[[str, Mapping[str, Any]], Verdict]:
    """The error for the first call of this operation alone."""
    left = [error]
    return lambda called, _: left.pop() if called == operation and left else None


def always(error: AwsError, operation: str = "") -> Callable[[str, Mapping[str, Any]], Verdict]:
    """The error for every call, or every call of this operation."""
    return lambda called, _: error if called == (operation or called) else None


NO_ANSWER = AwsError("", "no answer within 5 seconds")
THROTTLED = AwsError("ThrottlingException", "slow down", 400)
DENIED = AwsError("AccessDeniedException", "the role may not", 400)


def cancelled(*codes: str) -> AwsError:
    reasons = [{"Code": code} for code in codes]
    return AwsError("TransactionCanceledException", "cancelled", 400, {"CancellationReasons": reasons})

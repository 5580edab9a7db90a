"""The master key in Secrets Manager: the version in force, and the one before it."""

from typing import Any, Final

import msgspec

from core.adapters.aws.api import AwsApi, AwsError
from core.model.errors import MasterKeyError
from core.ports import MasterKeyTexts
from core.telemetry import warning

_FIELD: Final = "master_key"
_CURRENT: Final = "AWSCURRENT"
_PREVIOUS: Final = "AWSPREVIOUS"
_ABSENT: Final = "ResourceNotFoundException"
_HINTS: Final = {
    "AccessDeniedException": "allow this role secretsmanager:GetSecretValue on it, and kms:Decrypt on its key"
    " where that is not the account's own",
    "DecryptionFailure": "allow this role kms:Decrypt on the key that encrypts it",
    "InvalidRequestException": "restore it if it was marked for deletion",
    "NoCredentials": "give this process AWS credentials",
    "NoRegion": "set AWS_REGION to the region of the secret",
    _ABSENT: "check MEMTRACE_MASTER_KEY_SECRET_ARN and AWS_REGION, and that it has a value",
}
_STORE: Final = "store the master key as it is, or as the member `master_key` of an object"


class SecretKeys:
    """`MasterKeys` of one secret: the key as it is, or in a member of a JSON object."""

    def __init__(self, *, api: AwsApi, arn: str, field: str, timeout: float) -> None:
        """`field` names the member; empty: `master_key`, where the secret is an object."""
        self._api = api
        self._arn = arn
        self._field = field
        self._timeout = timeout

    @property
    def name(self) -> str:
        return f"the secret {self._arn}"

    async def read(self) -> MasterKeyTexts:
        """First the current version: a change between the two calls then hides the newer key, not the old."""
        try:
            current = self._text_in(await self._version(_CURRENT))
        except AwsError as error:
            raise self._unread(error) from None
        return MasterKeyTexts(current, await self._previous())

    async def _previous(self) -> tuple[str, ...]:
        try:
            answer = await self._version(_PREVIOUS)
        except AwsError as error:
            if error.code == _ABSENT:
                return ()
            raise self._unread(error) from None
        try:
            return (self._text_in(answer),)
        except MasterKeyError as error:
            warning("master_key_previous_unusable", reason=error.message)
            return ()

    async def _version(self, stage: str) -> dict[str, Any]:
        asked = {"SecretId": self._arn, "VersionStage": stage}
        return await self._api.call("secretsmanager", "GetSecretValue", asked, self._timeout)

    def _text_in(self, answer: dict[str, Any]) -> str:
        text = answer.get("SecretString")
        if not isinstance(text, str):
            raise MasterKeyError(f"{self.name} holds no text", hint="store the master key as text")
        text = text.strip()
        if not text.startswith("{"):
            if self._field:
                raise self._no_field()
            return text
        try:
            told = msgspec.json.decode(text)
        except ValueError:
            # From None: the cause may quote what it read.
            raise MasterKeyError(f"{self.name} is neither a key nor JSON", hint=_STORE) from None
        key = told.get(self._field or _FIELD)
        if not isinstance(key, str):
            raise self._no_field()
        return key

    def _no_field(self) -> MasterKeyError:
        return MasterKeyError(
            f"{self.name} has no text {self._field or _FIELD!r}",
            hint="name the member of its JSON with MEMTRACE_MASTER_KEY_SECRET_FIELD",
        )

    def _unread(self, error: AwsError) -> MasterKeyError:
        return MasterKeyError(f"{self.name} cannot be read ({error})", hint=_HINTS.get(error.code))

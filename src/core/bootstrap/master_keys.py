"""The vault of a process, with the master key from wherever the settings say it is kept."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from core.adapters.clock import SystemClock
from core.bootstrap.aws import opening_aws
from core.master_keys import GivenKeys, plain_vault, reading_vault
from core.ports import Clock
from core.settings import Settings
from core.vault import Vault

if TYPE_CHECKING:
    from core.adapters.aws.api import AwsApi

_PATIENCE: Final = 4.0
"""Seconds for each of the two calls; a cold start has ten in all."""


async def open_vault(settings: Settings, clock: Clock, api: "AwsApi | None") -> Vault:
    """Whose keys are renewed when they are used, where they are kept in a secret. Raises MasterKeyError.

    `api` is there when the settings name a secret, and serves as long as the vault.
    """
    given = GivenKeys(current=settings.master_key, previous=settings.previous_master_key)
    secret = settings.master_secret
    if secret is None:
        return plain_vault(given)
    assert api is not None
    from core.adapters.aws.secrets import SecretKeys

    source = SecretKeys(api=api, arn=secret.arn, field=secret.field, timeout=_PATIENCE)
    return await reading_vault(source=source, given=given, clock=clock, max_age=secret.max_age)


def vault_of(settings: Settings) -> Vault:
    """For work that is done at once, as its keys stay. Blocks for some seconds where they are in a secret.

    Raises MasterKeyError; ConfigurationError where that takes boto3, which is not there.
    """
    if settings.master_secret is None:
        return plain_vault(GivenKeys(current=settings.master_key, previous=settings.previous_master_key))
    # In a thread of its own: the caller's may run a loop already.
    with ThreadPoolExecutor(1, thread_name_prefix="memtrace-secret") as thread:
        return thread.submit(lambda: asyncio.run(_read(settings))).result()


async def _read(settings: Settings) -> Vault:
    clock = SystemClock()
    async with opening_aws(settings, clock, light=None) as api:
        return await open_vault(settings, clock, api)

"""The one table: its keys, how it is made where no template makes it, and whether one is right."""

from typing import Any, Final

from core.adapters.aws.api import AwsApi, AwsError
from core.model.errors import DatabaseError

PK: Final = "pk"
SK: Final = "sk"
TTL: Final = "ttl"
"""Whole seconds since 1970 after which an item is absent: to us at once, to DynamoDB within days."""

_KEYS: Final = {PK: "HASH", SK: "RANGE"}


def creation(table: str) -> dict[str, Any]:
    """The parameters of CreateTable: generic string keys, on-demand billing. TTL is another call."""
    return {
        "TableName": table,
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in _KEYS],
        "KeySchema": [{"AttributeName": name, "KeyType": kind} for name, kind in _KEYS.items()],
        "BillingMode": "PAY_PER_REQUEST",
    }


async def create(api: AwsApi, table: str, *, timeout: float) -> None:
    """Makes the table with its TTL; one that is there already is left as it is. Raises DatabaseError."""
    try:
        await api.call("dynamodb", "CreateTable", creation(table), timeout)
        ttl = {"Enabled": True, "AttributeName": TTL}
        await api.call(
            "dynamodb", "UpdateTimeToLive", {"TableName": table, "TimeToLiveSpecification": ttl}, timeout
        )
    except AwsError as error:
        if error.code != "ResourceInUseException":
            raise DatabaseError(f"the DynamoDB table {table} cannot be made: {error}") from error


async def check(api: AwsApi, table: str, *, timeout: float) -> None:
    """Raises DatabaseError, saying what to do, unless the table is there, usable and of our keys."""
    try:
        told = (await api.call("dynamodb", "DescribeTable", {"TableName": table}, timeout))["Table"]
    except AwsError as error:
        raise DatabaseError(
            f"the DynamoDB table {table} cannot be used: {error}",
            hint="dynamodb.table must name the table that template.yaml makes, in AWS_REGION",
        ) from error
    if told.get("TableStatus") not in ("ACTIVE", "UPDATING"):
        raise DatabaseError(f"the DynamoDB table {table} is {told.get('TableStatus')}, not ACTIVE")
    keys = {key["AttributeName"]: key["KeyType"] for key in told["KeySchema"]}
    kinds = {one["AttributeName"]: one["AttributeType"] for one in told["AttributeDefinitions"]}
    if keys != _KEYS or any(kinds[name] != "S" for name in _KEYS):
        raise DatabaseError(
            f"the DynamoDB table {table} has other keys",
            hint="it needs the partition key `pk` and the sort key `sk`, both strings",
        )

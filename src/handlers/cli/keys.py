"""`memtrace key …`: the API keys of an organization."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from core.model.memory import OrgId
from core.model.tenant import ApiKey
from handlers.cli.calls import AsJson, call_of
from handlers.cli.output import moment, record, records, say

app = typer.Typer(help="API keys.", no_args_is_help=True)
OrgOption = Annotated[str, typer.Option("--org", metavar="ORG_ID", show_default=False)]
_COLUMNS = {
    "id": "ID",
    "name": "NAME",
    "permissions": "PERMISSIONS",
    "state": "STATE",
    "created_at": "CREATED",
    "expires_at": "EXPIRES",
}


@app.command("create")
def create(
    ctx: typer.Context,
    org: OrgOption,
    name: Annotated[str, typer.Option(help="Unique in its organization.", show_default=False)],
    permissions: Annotated[
        str, typer.Option(help="Of read, write, admin; admin implies both others.")
    ] = "read,write",
    expires: Annotated[
        str, typer.Option(help="After a while (90d, 12h) or at an ISO 8601 time.", show_default="never")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Make an API key. It is shown this once and stored nowhere."""
    from core.apikeys import parse_expiry, parse_permissions

    granted = parse_permissions(permissions)
    expires_at = parse_expiry(expires, datetime.now(UTC)) if expires else None
    made = call_of(ctx).admin(
        lambda admin: admin.tenants.create_key(
            OrgId(org), name=name, permissions=granted, expires_at=expires_at
        )
    )
    record({**_shown(made.key), "key": made.plain}, as_json_=as_json)
    if not as_json:
        say("Keep the key now: it is not shown again.")


@app.command("list")
def list_(ctx: typer.Context, org: OrgOption, as_json: AsJson = False) -> None:
    """List an organization's keys, never the keys themselves."""
    keys = call_of(ctx).admin(lambda admin: admin.tenants.list_keys(OrgId(org)))
    records([_shown(key) for key in keys], _COLUMNS, as_json_=as_json, empty=f"{org} has no API keys")


@app.command("revoke")
def revoke(
    ctx: typer.Context,
    key_id: Annotated[int, typer.Argument(metavar="KEY_ID", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Revoke a key for good. A running server knows within ten seconds."""
    call_of(ctx).admin(lambda admin: admin.tenants.revoke_key(key_id))
    if as_json:
        record({"id": key_id, "revoked": True}, as_json_=True)
    else:
        say(f"key {key_id} is revoked; servers refuse it within ten seconds")


def _shown(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "org_id": key.org_id,
        "permissions": sorted(key.permissions),
        "state": _state(key),
        "created_at": moment(key.created_at),
        "expires_at": moment(key.expires_at) if key.expires_at else None,
    }


def _state(key: ApiKey) -> str:
    if not key.enabled:
        return "revoked"
    return "valid" if key.is_valid(datetime.now(UTC)) else "expired"

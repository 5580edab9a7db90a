"""`memtrace org …`: organizations, and where each one's memories live."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.bindings import DEFAULT_MEASUREMENT, AskedBinding, ShownBinding
from core.model.errors import InvalidRequest
from core.model.memory import OrgId
from core.model.org_settings import RATES
from core.model.tenant import Org
from handlers.cli.calls import AsJson, Yes, call_of, secret
from handlers.cli.looking import what_is_wrong
from handlers.cli.output import confirmed, moment, record, records, say, warn

if TYPE_CHECKING:
    from core.bootstrap.admin import Admin

app = typer.Typer(help="Organizations and their bindings.", no_args_is_help=True)
AdminKey = Annotated[
    str, typer.Option(help="An Arc key that may delete; `-` reads it from standard input. Not for file:.")
]
OrgArgument = Annotated[str, typer.Argument(metavar="ORG_ID", show_default=False)]
RateOption = Annotated[
    str | None, typer.Option(metavar="N", help="A number, `none` or `default`.", show_default=False)
]


@app.command("create")
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(show_default=False, help="For people; need not be unique.")],
    as_json: AsJson = False,
) -> None:
    """Make an organization."""
    org = call_of(ctx).admin(lambda admin: admin.tenants.create_org(name))
    record(_shown(org), as_json_=as_json)


@app.command("list")
def list_(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List all organizations."""
    orgs = call_of(ctx).admin(lambda admin: admin.tenants.list_orgs())
    columns = {"id": "ID", "name": "NAME", "created_at": "CREATED"}
    records(
        [_shown(org) for org in orgs],
        columns,
        as_json_=as_json,
        empty="no organizations; `memtrace org create NAME` makes one",
    )


@app.command("show")
def show(ctx: typer.Context, org_id: OrgArgument, as_json: AsJson = False) -> None:
    """Show an organization and what is set for it."""
    org = call_of(ctx).admin(lambda admin: admin.tenants.show_org(OrgId(org_id)))
    record(_with_settings(org, in_words=not as_json), as_json_=as_json)


@app.command("set")
def set_(
    ctx: typer.Context,
    org_id: OrgArgument,
    retention: Annotated[
        str | None,
        typer.Option(help="How long memories are kept: 90d, 12w; `none` is for good.", show_default=False),
    ] = None,
    requests_per_second: RateOption = None,
    memories_per_second: RateOption = None,
    key_requests_per_second: RateOption = None,
    key_memories_per_second: RateOption = None,
    burst_seconds: Annotated[
        str | None,
        typer.Option(help="How much may come at once: what the rates give in so long.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Set what holds for one organization.

    What is not named stays as it is. A rate is a number, `none` for no limit, or `default` for what
    the configuration says; `key-…` is of each of its keys, the others of the organization in all.
    Running servers know within 10 seconds.
    """
    from core.org_changes import changes_of

    changes = changes_of(
        retention=retention,
        requests_per_second=requests_per_second,
        memories_per_second=memories_per_second,
        key_requests_per_second=key_requests_per_second,
        key_memories_per_second=key_memories_per_second,
        burst_seconds=burst_seconds,
    )
    org = call_of(ctx).admin(lambda admin: admin.tenants.set_org(OrgId(org_id), changes))
    record(_with_settings(org, in_words=not as_json), as_json_=as_json)


@app.command("delete")
def delete(ctx: typer.Context, org_id: OrgArgument, yes: Yes = False, as_json: AsJson = False) -> None:
    """Delete an organization.

    With its binding, keys, agents, sessions and what waits in the journal. The memories in its
    store stay there.
    """
    call = call_of(ctx)
    waiting = 0 if yes else call.admin(lambda admin: _waiting(admin, OrgId(org_id)))
    lost = f" and {waiting} memories that are not in its store yet" if waiting else ""
    if not confirmed(f"Delete {org_id} with its binding, keys, agents, sessions{lost}?", yes=yes):
        raise InvalidRequest(f"{org_id} was not deleted: not confirmed", hint="use --yes")
    call.admin(lambda admin: admin.tenants.delete_org(OrgId(org_id)))
    record({"id": org_id, "deleted": True}, as_json_=as_json)


async def _waiting(admin: "Admin", org_id: OrgId) -> int:
    return sum(b.owed + b.delivered + b.dead for b in await admin.ledger.backlogs() if b.org_id == org_id)


@app.command("add-arc")
def add_arc(
    ctx: typer.Context,
    org_id: OrgArgument,
    url: Annotated[
        str, typer.Option(help="https://… of an Arc, or file:/absolute/folder.", show_default=False)
    ],
    database: Annotated[str, typer.Option(show_default=False)] = "memory",
    api_key: Annotated[
        str, typer.Option(help="The Arc's API key; `-` reads it from standard input. Not for file:.")
    ] = "",
    admin_key: AdminKey = "",
    measurement: Annotated[str, typer.Option()] = DEFAULT_MEASUREMENT,
    as_json: AsJson = False,
) -> None:
    """Bind an organization to its store.

    A binding that is there is replaced; what is owed goes to the new one. A store that does not
    answer yet, or does not take the key, is bound all the same, and said.
    """
    asked: AskedBinding = {
        "url": url,
        "database": database,
        "measurement": measurement,
        "arc_key": secret(api_key, "--api-key"),
        "admin_key": secret(admin_key, "--admin-key"),
    }
    shown, (trouble, advice) = call_of(ctx).admin(lambda admin: _bind(admin, OrgId(org_id), asked))
    record(_bound(shown), as_json_=as_json)
    if trouble:
        warn(f"bound, but the store cannot be used yet: {trouble}" + (f" ({advice})" if advice else ""))


async def _bind(admin: "Admin", org_id: OrgId, asked: AskedBinding) -> tuple[ShownBinding, tuple[str, str]]:
    return await admin.tenants.bind(org_id, **asked), await what_is_wrong(admin, org_id)


@app.command("set-admin-key")
def set_admin_key(
    ctx: typer.Context,
    org_id: OrgArgument,
    admin_key: AdminKey = "-",
    remove: Annotated[bool, typer.Option("--remove", help="The Arc is to be asked for no deletion.")] = False,
    as_json: AsJson = False,
) -> None:
    """Give a binding the Arc key that may delete, or take it away.

    Only the flusher and commands open it. Without it what is deleted is hidden, and stays in the Arc.
    """
    key = "" if remove else secret(admin_key, "--admin-key")
    shown = call_of(ctx).admin(lambda a: a.tenants.set_admin_key(OrgId(org_id), key))
    record(_bound(shown), as_json_=as_json)


@app.command("show-arc")
def show_arc(ctx: typer.Context, org_id: OrgArgument, as_json: AsJson = False) -> None:
    """Show an organization's binding.

    The Arc's key is masked.
    """
    shown = call_of(ctx).admin(lambda admin: admin.tenants.show_binding(OrgId(org_id)))
    record(_bound(shown), as_json_=as_json)


@app.command("remove-arc")
def remove_arc(
    ctx: typer.Context,
    org_id: OrgArgument,
    force: Annotated[bool, typer.Option("--force", help="Even though memories wait for it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Unbind an organization.

    Its reads and writes answer 503 until it is bound again.
    """
    call_of(ctx).admin(lambda admin: admin.tenants.unbind(OrgId(org_id), force=force))
    if as_json:
        record({"org_id": org_id, "removed": True}, as_json_=True)
    else:
        say(f"{org_id} has no arc instance any more")


def _shown(org: Org) -> dict[str, Any]:
    return {"id": org.id, "name": org.name, "created_at": moment(org.created_at)}


def _with_settings(org: Org, *, in_words: bool) -> dict[str, Any]:
    """A rate that is not set is null, or `default`; one that is no limit 0, or `none`."""
    rates = {name: getattr(org.settings.rates, name, None) for name in RATES}
    if in_words:
        rates = {name: "default" if rate is None else rate or "none" for name, rate in rates.items()}
    return {**_shown(org), "retention_days": org.settings.retention_days, **rates}


def _bound(binding: ShownBinding) -> dict[str, Any]:
    return {
        "id": binding.id,
        "org_id": binding.org_id,
        "url": binding.url,
        "database": binding.database,
        "measurement": binding.measurement,
        "api_key": binding.masked_key,
        "admin_key": binding.masked_admin_key,
        "created_at": moment(binding.created_at),
    }

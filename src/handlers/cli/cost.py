"""`memtrace cost`: what a deployment in AWS would cost a month."""

from typing import Annotated, Any, Final

import typer

from core.model import costs
from core.model.costs import Line, Load, MetadataKind
from core.model.errors import InvalidRequest
from handlers.cli.calls import AsJson
from handlers.cli.output import as_json as printed
from handlers.cli.output import say, table

_MOST: Final = 1e15


def cost(
    writes: Annotated[float, typer.Option(metavar="N", help="Memories a month.", show_default=False)],
    batch: Annotated[int, typer.Option(min=1, max=1_000, help="Memories of one request.")] = 10,
    reads: Annotated[float, typer.Option(metavar="N", help="Requests a month that read.")] = 0.0,
    memory_bytes: Annotated[
        int, typer.Option(min=1, max=400_000, help="Of one memory, with all its fields.")
    ] = 700,
    tail: Annotated[
        int, typer.Option(min=0, help="Memories of an organization not settled yet when it is read.")
    ] = 200,
    metadata: Annotated[str, typer.Option(help="`dynamodb` or `sqlite-efs`.")] = "dynamodb",
    shards: Annotated[int, typer.Option(min=1, max=64, help="`dynamodb.shards`.")] = 4,
    lambda_mb: Annotated[int, typer.Option(min=128, max=10_240, help="Memory of the edge.")] = 1_024,
    flushers: Annotated[int, typer.Option(min=1, max=1_000, help="Tasks of the flusher.")] = 1,
    price: Annotated[
        list[str] | None, typer.Option(metavar="NAME=DOLLARS", help="Another price; may be repeated.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Estimate what a deployment in AWS costs a month.

    From the calls that the code makes and list prices; without free tiers, traffic, and the Arc.
    """
    _check("writes", writes)
    _check("reads", reads)
    load = Load(
        writes=writes,
        batch=batch,
        reads=reads,
        memory_bytes=memory_bytes,
        tail_memories=tail,
        metadata=_metadata(metadata),
        shards=shards,
        lambda_mb=lambda_mb,
        flushers=flushers,
    )
    lines = costs.bill(load, {**costs.PRICES, **_prices(price or [])})
    rows = [_row(one) for one in lines]
    whole = costs.total(lines)
    if as_json:
        printed(
            {"lines": rows, "dollars": round(whole, 4), "region": costs.REGION, "priced_on": costs.PRICED_ON}
        )
        return
    table(
        ["SERVICE", "WHAT", "UNITS", "DOLLARS"],
        [[row["service"], row["what"], f"{row['units']:,.0f}", f"{row['dollars']:,.2f}"] for row in rows],
    )
    a_million = f", {whole / writes * 1e6:,.2f} a million memories" if writes else ""
    say(f"\n{whole:,.2f} dollars a month{a_million} ({costs.REGION}, list prices of {costs.PRICED_ON})")


def _row(line: Line) -> dict[str, Any]:
    return {
        "service": line.service,
        "what": line.what,
        "units": round(line.units, 3),
        "dollars": round(line.dollars, 4),
    }


def _check(name: str, value: float) -> None:
    if not 0 <= value <= _MOST:
        raise InvalidRequest(f"--{name} must be a number from 0 to {_MOST:g}")


def _metadata(name: str) -> MetadataKind:
    if name == "dynamodb":
        return "dynamodb"
    if name == "sqlite-efs":
        return "sqlite-efs"
    raise InvalidRequest(f"--metadata must be dynamodb or sqlite-efs, not {name!r}")


def _prices(given: list[str]) -> dict[str, float]:
    prices = {}
    for one in given:
        name, _, text = one.partition("=")
        if name not in costs.PRICES:
            raise InvalidRequest(
                f"--price knows no {name!r}", hint=f"it is one of {', '.join(sorted(costs.PRICES))}"
            )
        try:
            prices[name] = float(text)
        except ValueError:
            raise InvalidRequest(f"--price {name} must be a number of dollars, not {text!r}") from None
        _check(f"price {name}", prices[name])
    return prices

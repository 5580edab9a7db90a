"""What a deployment costs: the model, and the command that shows it."""

import json
from dataclasses import replace

import pytest

from core.model.costs import PRICES, Load, bill, read_units, total, write_calls
from handlers.cli.main import run

LOAD = Load(writes=1e6)


def units(load: Load) -> dict[tuple[str, str], float]:
    return {(line.service, line.what): line.units for line in bill(load)}


def test_a_small_memory_costs_seven_write_units_and_its_request_three() -> None:
    assert write_calls(1, 700).write_units == 10
    assert write_calls(10, 700).write_units == 73


def test_a_memory_beyond_a_kibibyte_costs_four_more() -> None:
    assert write_calls(1, 1_100).write_units - write_calls(1, 700).write_units == 4


def test_a_transaction_takes_fifty_memories() -> None:
    assert [write_calls(n, 700).transactions for n in (1, 50, 51, 1_000)] == [1, 1, 2, 20]


def test_a_large_request_is_several_messages() -> None:
    assert write_calls(1, 700).messages == 1
    assert write_calls(16, 256 * 1_024).messages == 8


def test_batches_save_requests_and_invocations() -> None:
    single, batched = units(replace(LOAD, batch=1)), units(replace(LOAD, batch=10))
    for service in (("API Gateway", "requests"), ("Lambda", "requests")):
        assert single[service] == 10 * batched[service]


def test_a_read_asks_every_partition_at_least_once() -> None:
    assert read_units(replace(LOAD, tail_memories=0)) == LOAD.shards + 2
    assert read_units(replace(LOAD, tail_memories=10_000)) > 1_000


def test_sqlite_on_efs_pays_for_endpoints_and_not_for_writes() -> None:
    services = {line.service for line in bill(replace(LOAD, metadata="sqlite-efs"))}
    assert {"EFS", "VPC"} <= services
    assert "DynamoDB" not in services


def test_an_idle_stack_has_no_requests() -> None:
    assert ("API Gateway", "requests") not in units(replace(LOAD, writes=0))


def test_every_price_is_used_by_somebody() -> None:
    for name in PRICES:
        other = {**PRICES, name: PRICES[name] + 1}
        loads = (LOAD, replace(LOAD, metadata="sqlite-efs"))
        assert any(total(bill(load, other)) > total(bill(load)) for load in loads), name


def test_the_command_adds_up(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cost", "--writes", "1e6", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert sum(line["dollars"] for line in shown["lines"]) == pytest.approx(shown["dollars"], abs=0.01)


def test_the_command_says_what_a_million_memories_cost(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cost", "--writes", "2e6", "--batch", "50"]) == 0
    out = capsys.readouterr().out
    assert "API Gateway" in out
    assert "a million memories (us-east-1" in out
    assert run(["cost", "--writes", "0"]) == 0
    assert "a million" not in capsys.readouterr().out


def test_a_price_can_be_another_one(capsys: pytest.CaptureFixture[str]) -> None:
    run(["cost", "--writes", "1e6", "--price", "api_request=0", "--json"])
    shown = json.loads(capsys.readouterr().out)
    assert next(line for line in shown["lines"] if line["service"] == "API Gateway")["dollars"] == 0


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--writes", "-1"], "--writes"),
        (["--writes", "nan"], "--writes"),
        (["--writes", "1", "--reads", "-1"], "--reads"),
        (["--writes", "1", "--metadata", "oracle"], "--metadata"),
        (["--writes", "1", "--price", "gold=1"], "gold"),
        (["--writes", "1", "--price", "api_request=cheap"], "api_request"),
        (["--writes", "1", "--price", "api_request=-1"], "api_request"),
    ],
)
def test_what_makes_no_sense_is_refused(
    given: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["cost", *given]) == 1
    assert told in capsys.readouterr().err


def test_the_other_metadata_can_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cost", "--writes", "1", "--metadata", "sqlite-efs"]) == 0
    assert "EFS" in capsys.readouterr().out

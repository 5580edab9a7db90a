"""What the cost model takes for granted is what the template makes."""

from core.model import costs
from core.model.costs import Load, bill
from tests.template.stack import IMAGE, Stack, source


def _units(load: Load) -> dict[tuple[str, str], float]:
    return {(line.service, line.what): line.units for line in bill(load)}


def test_sizes_are_the_defaults_of_the_parameters() -> None:
    defaults = {name: one["Default"] for name, one in source()["Parameters"].items()}
    task = Stack.of(FlusherImage=IMAGE).one("FlusherTask")
    load = Load(writes=1)
    assert load.lambda_mb == defaults["EdgeMemory"]
    assert load.shards == defaults["JournalShards"]
    assert load.flushers == defaults["FlusherMin"]
    assert load.flusher_vcpu * 1024 == int(task["Cpu"])
    assert load.flusher_gb * 1024 == int(task["Memory"])


def test_everything_that_is_paid_by_its_number_is_counted() -> None:
    stack, units = Stack.of(FlusherImage=IMAGE), _units(Load(writes=1))
    assert units["CloudWatch", "alarms"] == len(stack.of_type("AWS::CloudWatch::Alarm"))
    assert units["CloudWatch", "dashboards"] == len(stack.of_type("AWS::CloudWatch::Dashboard"))
    assert units["Secrets Manager", "secrets"] == len(stack.of_type("AWS::SecretsManager::Secret"))


def test_endpoints_are_counted_where_there_are_some() -> None:
    stack = Stack.of(Metadata="sqlite-efs")
    interfaces = [
        one
        for one in stack.of_type("AWS::EC2::VPCEndpoint").values()
        if one["VpcEndpointType"] == "Interface"
    ]
    zones = len(interfaces[0]["SubnetIds"])
    hours = _units(Load(writes=1, metadata="sqlite-efs"))["VPC", "endpoint-hours"]
    assert hours == len(interfaces) * zones * 730


def test_a_snapshot_is_paid_for_where_there_is_one() -> None:
    what = ("Lambda", "GB-seconds of a snapshot")
    assert _units(Load(writes=1))[what] == 730 * 3600
    assert what not in _units(Load(writes=1, metadata="sqlite-efs"))
    assert costs.PRICES["snapshot_gb_second"] * 730 * 3600 < 5

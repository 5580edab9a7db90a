"""The flusher as a service: how it stops, starts, scales, and what it may write to."""

import itertools
import json
from typing import Any, Final

import pytest

from core.settings import Settings
from flusher.process import manner_of
from tests.packaging.image import ROOT, stages
from tests.template.stack import IMAGE, VARIANTS, VPC, Stack, transformed
from tests.template.test_edge import settings_of

_WITH: Final = {name: one for name, one in VARIANTS.items() if "FlusherImage" in one}
_LONGEST_STOP: Final = 120
"""Seconds that Fargate waits before it kills."""
_FARGATE: Final = {256: (512, 1024, 2048), 512: range(1024, 4097, 1024), 1024: range(2048, 8193, 1024)}
_FINAL: Final = stages((ROOT / "Dockerfile").read_text())[1][1]


@pytest.fixture(params=list(_WITH))
def stack(request: pytest.FixtureRequest) -> Stack:
    """Those that have a flusher."""
    return Stack.of(**_WITH[request.param])


def task(stack: Stack) -> Any:
    return stack.one("FlusherTask")


def container(stack: Stack) -> Any:
    (found,) = task(stack)["ContainerDefinitions"]
    return found


def settings(stack: Stack) -> Settings:
    return settings_of(task(stack))


def test_without_an_image_there_is_no_service_and_nothing_that_watches_one() -> None:
    kinds = {one["Type"] for one in Stack.of().resources.values()}
    assert not {"AWS::ECS::Service", "AWS::ECS::TaskDefinition"} & kinds
    assert not [kind for kind in kinds if kind.startswith("AWS::ApplicationAutoScaling")]
    assert "AWS::ECR::Repository" in kinds, "where the image is to go"


def test_it_is_waited_for_until_it_has_drained(stack: Stack) -> None:
    given = settings(stack)
    stops = container(stack)["StopTimeout"]
    manner = manner_of(given, wait=True, child=False)
    assert manner.drain < manner.shutdown <= 100
    assert manner.shutdown + 10 <= stops <= _LONGEST_STOP


def test_a_message_is_hidden_for_longer_than_it_can_be_held(stack: Stack) -> None:
    given = settings(stack)
    hidden = stack.one("Queue")["VisibilityTimeout"]
    waits = given.arc.write_flush_interval_ms / 1000
    assert hidden == given.queue.visibility
    assert hidden > waits + given.flusher.append_timeout + container(stack)["StopTimeout"]


def test_it_can_do_nothing_that_it_need_not(stack: Stack) -> None:
    found = container(stack)
    assert found["ReadonlyRootFilesystem"] is True
    assert found["Privileged"] is False
    assert found["LinuxParameters"]["Capabilities"] == {"Drop": ["ALL"]}
    assert found["User"] == _FINAL.one("USER").rest
    assert int(found["User"].partition(":")[0]) > 0
    assert stack.one("FlusherService")["EnableExecuteCommand"] is False


def test_it_writes_only_to_volumes_that_its_user_may_write_to(stack: Stack) -> None:
    (own,) = _FINAL.one("VOLUME").words()
    mounts = {one["ContainerPath"] for one in container(stack)["MountPoints"]}
    assert own in mounts
    environment = {one["Name"]: one["Value"] for one in container(stack)["Environment"]}
    assert environment["TMPDIR"] == own
    assert any(environment["MEMTRACE_AUTH_DB_PATH"].startswith(f"{mount}/") for mount in mounts)
    volumes = {one["Name"] for one in task(stack)["Volumes"]}
    assert {one["SourceVolume"] for one in container(stack)["MountPoints"]} == volumes


def test_on_a_file_it_mounts_the_file_system_as_the_functions_do() -> None:
    for variant in ("sqlite-efs", "sqlite-efs in a given VPC"):
        stack = Stack.of(**VARIANTS[variant])
        (volume,) = [one for one in task(stack)["Volumes"] if "EFSVolumeConfiguration" in one]
        assert volume["EFSVolumeConfiguration"]["TransitEncryption"] == "ENABLED"
        assert volume["EFSVolumeConfiguration"]["AuthorizationConfig"] == {
            "AccessPointId": {"Ref": "AccessPoint"},
            "IAM": "ENABLED",
        }
        user = stack.one("AccessPoint")["PosixUser"]
        assert container(stack)["User"] == f"{user['Uid']}:{user['Gid']}"


def test_it_runs_on_arm_in_a_size_that_fargate_has() -> None:
    for size in ("small", "medium", "large"):
        found = task(Stack.of(FlusherImage=IMAGE, FlusherSize=size))
        assert found["RuntimePlatform"]["CpuArchitecture"] == "ARM64"
        assert int(found["Memory"]) in _FARGATE[int(found["Cpu"])]


def test_it_is_asked_for_its_health_by_its_own_command(stack: Stack) -> None:
    health = container(stack)["HealthCheck"]
    assert health["Command"] == ["CMD", "memtrace", "health", "--flusher"]
    assert settings(stack).flusher.health_port > 0, "else it would ask whether any flusher works"
    assert settings(stack).flusher.health_host == "127.0.0.1"
    assert health["Timeout"] < health["Interval"]
    assert health["Retries"] >= 2


def test_a_bad_image_is_taken_back(stack: Stack) -> None:
    deploying = stack.one("FlusherService")["DeploymentConfiguration"]
    assert deploying["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}


def test_zones_are_evened_out_only_where_two_may_run_at_once(stack: Stack) -> None:
    """ECS does it unless told not to, starts one more for it, and refuses it at a maximum of 100 %."""
    service = stack.one("FlusherService")
    alone = service["DeploymentConfiguration"]["MaximumPercent"] == 100
    assert service["AvailabilityZoneRebalancing"] == ("DISABLED" if alone else "ENABLED")


def test_an_accounts_first_cluster_can_be_made(stack: Stack) -> None:
    """With capacity providers ECS wants the role that it only makes with the first cluster."""
    assert "CapacityProviders" not in stack.one("Cluster")
    assert stack.one("FlusherService")["LaunchType"] == "FARGATE"


def test_updates_do_not_undo_the_scaling(stack: Stack) -> None:
    assert "DesiredCount" not in stack.one("FlusherService")


def test_it_scales_between_what_the_parameters_say_and_alone_on_a_file() -> None:
    many = Stack.of(FlusherImage=IMAGE, FlusherMin=2, FlusherMax=7).one("FlusherScaling")
    assert (many["MinCapacity"], many["MaxCapacity"]) == (2, 7)
    alone = Stack.of(FlusherImage=IMAGE, Metadata="sqlite-efs", FlusherMin=2, FlusherMax=7)
    assert alone.one("FlusherScaling")["MaxCapacity"] == alone.one("FlusherScaling")["MinCapacity"] == 1
    deploying = alone.one("FlusherService")["DeploymentConfiguration"]
    assert deploying["MaximumPercent"] == 100, "the old one stops before the new one starts"


def test_it_scales_on_the_age_of_the_queue(stack: Stack) -> None:
    out, down = stack.one("MessagesGrowOld"), stack.one("MessagesAreFresh")
    for alarm, policy in ((out, "FlusherScaleOut"), (down, "FlusherScaleIn")):
        assert alarm["AlarmActions"] == [{"Ref": policy}]
        assert alarm["MetricName"] == "ApproximateAgeOfOldestMessage"
        assert alarm["Dimensions"] == [{"Name": "QueueName", "Value": {"Fn::GetAtt": ["Queue", "QueueName"]}}]
    assert down["Threshold"] < out["Threshold"], "or it would start and stop them in turns"
    waits = settings(stack).arc.write_flush_interval_ms / 1000
    assert down["Threshold"] > 2 * waits, "a message that waits for its batch is not old"
    assert down["TreatMissingData"] == "breaching", "an idle queue has no age"


def test_the_steps_of_scaling_leave_no_gap(stack: Stack) -> None:
    steps = stack.one("FlusherScaleOut")["StepScalingPolicyConfiguration"]["StepAdjustments"]
    assert steps[0]["MetricIntervalLowerBound"] == 0
    for step, after in itertools.pairwise(steps):
        assert step["MetricIntervalUpperBound"] == after["MetricIntervalLowerBound"]
    assert "MetricIntervalUpperBound" not in steps[-1]


def test_it_waits_for_its_road_and_its_files() -> None:
    """By its metadata: DependsOn could name what is not made."""
    waits = transformed()["Resources"]["FlusherService"]["Metadata"]["WaitsFor"]
    own = json.dumps(Stack.of(FlusherImage=IMAGE, Metadata="sqlite-efs").resolved(waits))
    assert all(name in own for name in ("PublicRoute", "MountTargetOne", "MountTargetTwo", "FlusherToFiles"))
    given = Stack.of(FlusherImage=IMAGE, **VPC).resolved(waits)
    assert given == ["nothing", "nothing"]


def test_its_image_is_kept_by_tags_that_cannot_move_and_is_scanned() -> None:
    repository = Stack.of().one("Repository")
    assert repository["ImageTagMutability"] == "IMMUTABLE"
    assert repository["ImageScanningConfiguration"] == {"ScanOnPush": True}
    assert json.loads(repository["LifecyclePolicy"]["LifecyclePolicyText"])["rules"]

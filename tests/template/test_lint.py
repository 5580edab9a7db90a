"""What tools say of template.yaml, offline; and that nothing in it is of no use."""

import re
import tomllib
from typing import Any

from cfnlint.api import lint_file

from tests.template.stack import TEMPLATE, Stack, read, source, texts, transformed


def test_cfn_lint_finds_nothing() -> None:
    assert [str(found) for found in lint_file(TEMPLATE)] == []


def test_only_what_cannot_be_said_otherwise_is_hidden_from_cfn_lint() -> None:
    assert source()["Metadata"]["cfn-lint"]["config"]["ignore_checks"] == ["W1030", "W1035"]
    assert [r for r in source()["Resources"].values() if "cfn-lint" in r.get("Metadata", {})] == []


def test_sam_transforms_it() -> None:
    kinds = {one["Type"] for one in transformed()["Resources"].values()}
    assert {"AWS::Lambda::Function", "AWS::ApiGateway::RestApi", "AWS::Lambda::Version"} <= kinds
    assert [kind for kind in kinds if kind.startswith("AWS::Serverless")] == []


def _used(template: Any, function: str) -> set[str]:
    """What is named by a function, or in a text that `Fn::Sub` fills in."""
    found: set[str] = set()

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            for key, value in node.items():
                if key == function:
                    found.add(value[0] if isinstance(value, list) else value)
                if key == "Fn::Sub" and function == "Ref":
                    text = value[0] if isinstance(value, list) else value
                    found.update(re.findall(r"\$\{([\w:]+)", text))
                walk(value)
        elif isinstance(node, list):
            for one in node:
                walk(one)

    walk(template)
    return found


def test_every_parameter_is_used_and_explained() -> None:
    template = source()
    used = _used({k: v for k, v in template.items() if k not in ("Parameters", "Rules")}, "Ref")
    assert sorted(set(template["Parameters"]) - used) == []
    assert [name for name, one in template["Parameters"].items() if not one.get("Description")] == []


def test_every_parameter_has_a_default_and_most_have_a_range() -> None:
    free = set()
    for name, one in source()["Parameters"].items():
        assert "Default" in one, name
        if not {"AllowedValues", "AllowedPattern", "MinValue"} & one.keys():
            free.add(name)
    assert free == {"SubnetIds", "RouteTableIds"}


def test_the_console_shows_every_parameter_in_a_group() -> None:
    template = source()
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    shown = [name for group in groups for name in group["Parameters"]]
    assert sorted(shown) == sorted(template["Parameters"])


def test_every_condition_and_every_mapping_is_used() -> None:
    template = source()
    text = [t for t in texts(template["Resources"])] + [t for t in texts(template["Outputs"])]
    conditions = template["Conditions"]
    named = set(text) | {t for one in conditions.values() for t in texts(one)}
    assert sorted(set(conditions) - named) == []
    assert _used(template, "Fn::FindInMap") == set(template["Mappings"])


def test_a_dependency_is_always_there_when_what_depends_is() -> None:
    """CloudFormation is not known to pass over one that a condition leaves out."""
    for variant in ({}, {"Metadata": "sqlite-efs"}, {"ApiLogsRole": "account"}, {"ArcAccess": "private"}):
        resources = Stack.of(**variant).resources
        for name, one in resources.items():
            wanted = one.get("DependsOn", [])
            missing = set([wanted] if isinstance(wanted, str) else wanted) - set(resources)
            assert not missing, (name, missing)


def test_what_refers_to_a_resource_is_made_only_with_it(stack: Stack) -> None:
    resources = stack.resources
    known = set(resources) | set(stack.parameters)
    for name, one in resources.items():
        for other in _used(one, "Ref") | _used(one, "Fn::GetAtt"):
            plain = other.partition(".")[0]
            assert plain in known or plain.startswith("AWS::") or plain in _LOCAL, (name, other)


_LOCAL = {"Backend", "Edge", "Name", "Secret", "Service", "Subnets"}
"""Names that a text brings along itself."""


def test_outputs_name_what_is_there(stack: Stack) -> None:
    known = set(stack.resources) | set(stack.parameters)
    for name, value in stack.outputs().items():
        for other in _used(value, "Ref") | _used(value, "Fn::GetAtt"):
            assert other in known, (name, other)
    assert {"ApiUrl", "AdminFunctionName", "QueueUrl", "NextStep"} <= set(stack.outputs())


def test_names_of_one_partition_stand_where_it_is_asked_for() -> None:
    """Other clouds of AWS have other domains, and ARNs that begin otherwise."""
    shown = str(Stack.of().outputs()["DashboardUrl"])
    assert "https://eu-central-1.console.aws.amazon.com/cloudwatch/" in shown
    made = {name: one for name, one in source().items() if name in ("Resources", "Outputs")}
    fixed = [text for text in texts(made) if re.search(r"arn:aws:|\.amazonaws\.com/|aws\.amazon\.com", text)]
    assert fixed == []


def test_a_first_deploy_asks_for_nothing_that_is_not_there() -> None:
    config = tomllib.loads(read("samconfig.toml"))
    given = config["default"]["deploy"]["parameters"]
    assert given["capabilities"] == "CAPABILITY_IAM"
    assert given["resolve_s3"] is True
    assert given["confirm_changeset"] is True


def test_a_deploy_that_names_no_parameters_changes_none() -> None:
    """An override that stands in the file would undo a `Metadata=sqlite-efs` of the command line."""
    config = tomllib.loads(read("samconfig.toml"))
    assert "parameter_overrides" not in config["default"]["deploy"]["parameters"]


def _needed(resources: Any) -> dict[str, set[str]]:
    """Resource → those that CloudFormation makes before it; metadata counts."""
    found = {}
    for name, one in resources.items():
        waits = one.get("DependsOn", [])
        named = (
            _used(one, "Ref") | _used(one, "Fn::GetAtt") | set([waits] if isinstance(waits, str) else waits)
        )
        found[name] = {other.partition(".")[0] for other in named} & set(resources)
    return found


def before(stack: Stack, name: str) -> set[str]:
    """All that is there when this one is made."""
    needed, found, left = _needed(stack.resources), set[str](), [name]
    while left:
        more = needed[left.pop()] - found
        found |= more
        left += more
    return found


def test_nothing_waits_for_itself(stack: Stack) -> None:
    assert [name for name in stack.resources if name in before(stack, name)] == []


def test_the_stage_is_made_after_its_logs_and_the_role_that_writes_them(stack: Stack) -> None:
    """API Gateway makes the group of errors with the stage, and it could not be made any more then."""
    (stage,) = stack.of_type("AWS::ApiGateway::Stage")
    assert {"ApiLogs", "ApiErrorLogs", "ApiAccount"} <= before(stack, stage)
    without = Stack.of(ApiLogsRole="account")
    assert "ApiErrorLogs" in before(without, stage)


def test_an_account_is_told_of_the_role_once_it_has_an_api() -> None:
    assert "Api" in before(Stack.of(), "ApiAccount")


def test_a_snapshot_is_taken_when_the_start_can_reach_what_it_asks(stack: Stack) -> None:
    for version in stack.of_type("AWS::Lambda::Version"):
        assert set(stack.of_type("AWS::EC2::VPCEndpoint")) <= before(stack, version)


def test_functions_say_nothing_in_metadata_but_how_they_are_built() -> None:
    """`sam build` decides conditions there by the defaults of the parameters, and writes it down."""
    for name, one in source()["Resources"].items():
        if one["Type"] == "AWS::Serverless::Function":
            assert one["Metadata"] == {"BuildMethod": "makefile"}, name


def test_a_given_vpc_comes_with_its_subnets_and_the_stacks_own_without() -> None:
    """EachMemberEquals is right for a list of one empty text and for one of nothing; Contains is not."""
    rules = source()["Rules"]
    empty = {"Fn::EachMemberEquals": [{"Ref": "SubnetIds"}, ""]}
    assert [one["Assert"] for one in rules["OwnVpc"]["Assertions"]] == [empty]
    assert [one["Assert"] for one in rules["GivenVpc"]["Assertions"]] == [{"Fn::Not": [empty]}]


def test_no_role_has_a_name_so_that_the_capability_is_enough() -> None:
    for name, one in transformed()["Resources"].items():
        assert not {"RoleName", "ManagedPolicyName"} & one.get("Properties", {}).keys(), name

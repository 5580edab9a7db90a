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


def test_a_first_deploy_asks_for_nothing_that_is_not_there() -> None:
    config = tomllib.loads(read("samconfig.toml"))
    given = config["default"]["deploy"]["parameters"]
    names = {text.partition("=")[0] for text in given["parameter_overrides"]}
    assert names <= set(source()["Parameters"])
    assert given["capabilities"] == "CAPABILITY_IAM"
    assert given["resolve_s3"] is True
    assert given["confirm_changeset"] is True


def test_no_role_has_a_name_so_that_the_capability_is_enough() -> None:
    for name, one in transformed()["Resources"].items():
        assert not {"RoleName", "ManagedPolicyName"} & one.get("Properties", {}).keys(), name

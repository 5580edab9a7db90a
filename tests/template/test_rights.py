"""Who may do what: each role just what its process calls."""

import re
from typing import Any, Final

import pytest

from tests.template.stack import Stack, listed, statements

_ROLES: Final = ("EdgeRole", "AdminRole", "FlusherRole", "FlusherExecutionRole")
_WITHOUT_RESOURCES: Final = re.compile(
    "xray:Put(TraceSegments|TelemetryRecords)|ecr:GetAuthorizationToken"
    "|ec2:(AssignPrivateIpAddresses|CreateNetworkInterface|DeleteNetworkInterface"
    "|DescribeNetworkInterfaces|DescribeSubnets|UnassignPrivateIpAddresses)"
).fullmatch
"""Actions that AWS knows no resource for, or demands on all."""


def granted(stack: Stack, role: str) -> list[tuple[str, Any]]:
    """Action and resource of all that is allowed."""
    return [
        (action, resource)
        for one in statements(stack.resources[role])
        if one["Effect"] == "Allow"
        for action in listed(one["Action"])
        for resource in listed(one["Resource"])
    ]


def actions_on(stack: Stack, role: str, resource: str) -> set[str]:
    """What a role may do to one resource of the stack."""
    forms = ({"Ref": resource}, {"Fn::GetAtt": [resource, "Arn"]})
    return {action for action, on in granted(stack, role) if on in forms}


def test_no_action_is_a_pattern(stack: Stack) -> None:
    for name, one in stack.resources.items():
        if one["Type"] in ("AWS::IAM::Role", "AWS::IAM::ManagedPolicy", "AWS::IAM::Policy"):
            wild = [action for action, _ in granted(stack, name) if "*" in action]
            assert wild == [], name


def test_no_resource_is_everything_unless_aws_demands_it(stack: Stack) -> None:
    for name, one in stack.resources.items():
        if one["Type"] in ("AWS::IAM::Role", "AWS::IAM::ManagedPolicy", "AWS::IAM::Policy"):
            everywhere = {a for a, on in granted(stack, name) if on == "*" or on == ["*"]}
            assert [a for a in everywhere if not _WITHOUT_RESOURCES(a)] == [], name


def test_no_policy_of_aws_is_attached_but_the_one_that_the_gateway_demands(stack: Stack) -> None:
    for name, one in stack.resources.items():
        attached = one.get("Properties", {}).get("ManagedPolicyArns", [])
        assert attached == [] or name == "ApiAccountRole", name


@pytest.mark.parametrize("role", _ROLES)
def test_only_its_own_service_takes_a_role(role: str, stack: Stack) -> None:
    (statement,) = stack.one(role)["AssumeRolePolicyDocument"]["Statement"]
    if role.startswith("Flusher"):
        assert statement["Principal"] == {"Service": "ecs-tasks.amazonaws.com"}
        assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": "123456789012"}
    else:  # Lambda names no source when it takes a role
        assert statement["Principal"] == {"Service": "lambda.amazonaws.com"}


def test_the_edge_sends_and_never_receives(stack: Stack) -> None:
    assert actions_on(stack, "EdgeRole", "Queue") == {"sqs:SendMessage"}
    assert actions_on(stack, "EdgeRole", "DeadLetterQueue") == set()


def test_the_flusher_receives_and_never_sends(stack: Stack) -> None:
    allowed = actions_on(stack, "FlusherRole", "Queue")
    assert {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"} <= allowed
    assert "sqs:SendMessage" not in allowed
    assert actions_on(stack, "FlusherRole", "DeadLetterQueue") == set()


def test_nobody_changes_the_secret_or_the_table_itself(stack: Stack) -> None:
    for role in _ROLES:
        allowed = {action for action, _ in granted(stack, role)}
        assert {a for a in allowed if a.startswith("secretsmanager:")} <= {"secretsmanager:GetSecretValue"}
        assert not {a for a in allowed if re.match("dynamodb:.*(Table|Backup|TimeToLive|Tag)", a)} - {
            "dynamodb:DescribeTable"
        }


def test_what_starts_the_flusher_reads_neither_secret_nor_table(stack: Stack) -> None:
    allowed = {action.partition(":")[0] for action, _ in granted(stack, "FlusherExecutionRole")}
    assert allowed == {"ecr", "logs"}


def test_the_file_system_is_granted_through_its_access_point_alone() -> None:
    stack = Stack.of(Metadata="sqlite-efs")
    for role in ("EdgeRole", "AdminRole", "FlusherRole"):
        (one,) = [s for s in statements(stack.resources[role]) if "elasticfilesystem" in str(s["Action"])]
        assert "elasticfilesystem:ClientRootAccess" not in one["Action"]
        assert one["Condition"]["StringEquals"] == {
            "elasticfilesystem:AccessPointArn": {"Fn::GetAtt": ["AccessPoint", "Arn"]}
        }


def test_network_interfaces_are_lambdas_business_and_not_the_codes(stack: Stack) -> None:
    for role in ("EdgeRole", "AdminRole"):
        found = [one for one in statements(stack.resources[role]) if "ec2:" in str(one["Action"])]
        assert len(found) == (2 if stack.holds("EdgeInVpc") else 0)
        if found:
            allowed, denied = found
            assert allowed["Action"] == denied["Action"]
            assert denied["Effect"] == "Deny"
            assert denied["Condition"] == {"Null": {"lambda:SourceFunctionArn": "false"}}


def test_who_administers_may_invoke_one_function_and_find_it(stack: Stack) -> None:
    allowed = granted(stack, "AdminInvokePolicy")
    assert [action for action, _ in allowed if action.startswith("lambda:")] == ["lambda:InvokeFunction"]
    (function,) = [n for n, p in stack.of_type("AWS::Lambda::Function").items() if "admin" in p["Handler"]]
    assert ("lambda:InvokeFunction", {"Fn::GetAtt": [function, "Arn"]}) in allowed
    by_name = "arn:aws:cloudformation:eu-central-1:123456789012:stack/memtrace/*"
    assert ("cloudformation:DescribeStacks", by_name) in allowed, "as CloudFormation checks a call by name"

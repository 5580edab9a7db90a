"""What a company's rules may ask for besides: a key of its own, a web ACL, a boundary for roles."""

import json
from typing import Any, Final

import pytest

from tests.template.stack import IMAGE, Stack, read, statements

_KEY: Final = "arn:aws:kms:eu-central-1:123456789012:key/12345678-90ab-cdef-1234-567890abcdef"
_ACL: Final = "arn:aws:wafv2:eu-central-1:123456789012:regional/webacl/memtrace/0a1b"
_BOUNDARY: Final = "arn:aws:iam::123456789012:policy/boundary"
_ENCRYPTED: Final = {
    "AWS::DynamoDB::Table": ("SSESpecification", "KMSMasterKeyId"),
    "AWS::EFS::FileSystem": ("KmsKeyId",),
    "AWS::Lambda::Function": ("KmsKeyArn",),
    "AWS::Logs::LogGroup": ("KmsKeyId",),
    "AWS::SNS::Topic": ("KmsMasterKeyId",),
    "AWS::SQS::Queue": ("KmsMasterKeyId",),
    "AWS::SecretsManager::Secret": ("KmsKeyId",),
}
"""Kinds of resources that hold something, and where each names its key."""


def keys(stack: Stack) -> dict[str, Any]:
    """Resource → the key that it names."""
    found: dict[str, Any] = {}
    for kind, path in _ENCRYPTED.items():
        for name, properties in stack.of_type(kind).items():
            found[name] = properties
            for step in path:
                found[name] = (found[name] or {}).get(step)
    return found


def on_key(role: str, stack: Stack) -> list[Any]:
    return [one for one in statements(stack.resources[role]) if one["Resource"] == _KEY]


@pytest.mark.parametrize("metadata", ["dynamodb", "sqlite-efs"])
def test_a_key_of_ones_own_encrypts_everything_that_holds_something(metadata: str) -> None:
    own = keys(Stack.of(Metadata=metadata, FlusherImage=IMAGE, KmsKeyArn=_KEY))
    assert len(own) >= 11
    assert {name for name, key in own.items() if key != _KEY} == set()
    assert set(keys(Stack.of(Metadata=metadata, FlusherImage=IMAGE)).values()) == {None}


def test_a_queue_has_one_kind_of_encryption() -> None:
    """SQS refuses both."""
    for queue in Stack.of(KmsKeyArn=_KEY).of_type("AWS::SQS::Queue").values():
        assert "SqsManagedSseEnabled" not in queue


@pytest.mark.parametrize("role", ["EdgeRole", "AdminRole", "FlusherRole"])
def test_a_role_uses_the_key_only_through_the_services_that_it_calls(role: str) -> None:
    (statement,) = on_key(role, Stack.of(KmsKeyArn=_KEY))
    assert {"kms:Decrypt", "kms:GenerateDataKey"} <= set(statement["Action"])
    assert not {"kms:CreateGrant", "kms:PutKeyPolicy"} & set(statement["Action"])
    assert statement["Condition"]["StringEquals"]["kms:ViaService"] == [
        f"{service}.eu-central-1.amazonaws.com" for service in ("dynamodb", "secretsmanager", "sqs")
    ]
    assert "kms:" not in str(Stack.of().resources[role])


def test_another_key_publishes_another_version() -> None:
    one, two = (
        next(iter(Stack.of(KmsKeyArn=key).of_type("AWS::Lambda::Version").values()))["Description"]
        for key in (_KEY, _KEY.replace("12345678", "87654321"))
    )
    assert one != two


def test_the_policy_that_the_key_needs_names_the_services_that_come_by_themselves() -> None:
    _, _, rest = read("docs/deploy.md").partition("<<'POLICY'\n")
    policy = json.loads(rest.partition("\nPOLICY\n")[0])
    allowed = {one["Principal"].get("Service"): one["Action"] for one in policy["Statement"]}
    assert set(allowed) == {None, "logs.eu-central-1.amazonaws.com", "cloudwatch.amazonaws.com"}
    assert allowed["cloudwatch.amazonaws.com"] == ["kms:Decrypt", "kms:GenerateDataKey*"]


def test_a_web_acl_is_of_the_stage_and_waits_for_it() -> None:
    (one,) = Stack.of(WebAclArn=_ACL).of_type("AWS::WAFv2::WebACLAssociation").values()
    assert one["WebACLArn"] == _ACL
    assert one["ResourceArn"] == {
        "Fn::Sub": "arn:aws:apigateway:eu-central-1::/restapis/${Api}/stages/${ApiliveStage}"
    }
    assert Stack.of().of_type("AWS::WAFv2::WebACLAssociation") == {}


def test_a_boundary_is_of_every_role() -> None:
    bound = Stack.of(PermissionsBoundaryArn=_BOUNDARY, FlusherImage=IMAGE).of_type("AWS::IAM::Role")
    assert len(bound) == 5
    assert {one["PermissionsBoundary"] for one in bound.values()} == {_BOUNDARY}
    assert all("PermissionsBoundary" not in one for one in Stack.of().of_type("AWS::IAM::Role").values())


def test_the_gateway_is_told_by_its_arn_alone() -> None:
    permission = Stack.of().one("EdgePermission")
    assert "SourceAccount" not in permission, "which not every service tells"
    assert ":execute-api:eu-central-1:123456789012:" in str(permission["SourceArn"])

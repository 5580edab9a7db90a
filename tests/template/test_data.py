"""What must outlive the stack, what is encrypted, and how long the rest is kept."""

import re
from typing import Any, Final

from core.adapters.sqs.queue import OFTEN
from core.model.errors import MasterKeyError
from core.vault import parse_master_key
from tests.template.stack import IMAGE, Stack, statements, transformed, variables

_DATA: Final = {
    "AWS::DynamoDB::Table",
    "AWS::EFS::AccessPoint",
    "AWS::EFS::FileSystem",
    "AWS::SecretsManager::Secret",
}
_STATEFUL: Final = {*_DATA, "AWS::ECR::Repository", "AWS::Logs::LogGroup", "AWS::SQS::Queue"}


def _every(kind: str) -> dict[str, Any]:
    return {n: one for n, one in transformed()["Resources"].items() if one["Type"] == kind}


def test_data_outlives_the_stack_and_every_replacement() -> None:
    for name, one in transformed()["Resources"].items():
        if one["Type"] in _DATA:
            assert one["DeletionPolicy"] == one["UpdateReplacePolicy"] == "Retain", name


def test_of_everything_that_holds_something_it_is_said_what_becomes_of_it() -> None:
    for name, one in transformed()["Resources"].items():
        if one["Type"] in _STATEFUL:
            assert {"DeletionPolicy", "UpdateReplacePolicy"} <= one.keys(), name


def test_the_table_is_on_demand_recoverable_encrypted_and_protected() -> None:
    table = Stack.of().one("Table")
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["SSESpecification"]["SSEEnabled"] is True
    assert table["DeletionProtectionEnabled"] == "true"
    assert Stack.of(DeletionProtection="false").one("Table")["DeletionProtectionEnabled"] == "false"


def test_the_table_has_the_keys_of_the_adapter_and_no_index() -> None:
    table = Stack.of().one("Table")
    keys = {one["KeyType"]: one["AttributeName"] for one in table["KeySchema"]}
    assert keys == {"HASH": "pk", "RANGE": "sk"}
    assert {one["AttributeType"] for one in table["AttributeDefinitions"]} == {"S"}
    assert table["TimeToLiveSpecification"] == {"AttributeName": "ttl", "Enabled": True}
    assert not {"GlobalSecondaryIndexes", "StreamSpecification"} & table.keys()


def test_the_queues_are_encrypted_and_let_nobody_in_without_tls(stack: Stack) -> None:
    queues = stack.of_type("AWS::SQS::Queue")
    assert all(one["SqsManagedSseEnabled"] is True for one in queues.values())
    for policy in stack.of_type("AWS::SQS::QueuePolicy").values():
        (statement,) = policy["PolicyDocument"]["Statement"]
        assert statement["Effect"] == "Deny"
        assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_every_queue_has_a_policy_of_its_own_that_speaks_of_no_other(stack: Stack) -> None:
    """SQS refuses another."""
    found = {}
    for policy in stack.of_type("AWS::SQS::QueuePolicy").values():
        (queue,) = policy["Queues"]
        found[queue["Ref"]] = [one["Resource"] for one in policy["PolicyDocument"]["Statement"]]
    assert found == {name: [{"Fn::GetAtt": [name, "Arn"]}] for name in stack.of_type("AWS::SQS::Queue")}


def test_what_nobody_can_read_is_set_aside_for_as_long_as_sqs_keeps_anything(stack: Stack) -> None:
    queue, dead = stack.one("Queue"), stack.one("DeadLetterQueue")
    redrive = queue["RedrivePolicy"]
    assert redrive["deadLetterTargetArn"] == {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}
    assert OFTEN < redrive["maxReceiveCount"] <= 10
    assert dead["MessageRetentionPeriod"] == 14 * 24 * 3600
    assert queue["MessageRetentionPeriod"] < dead["MessageRetentionPeriod"]
    assert "RedrivePolicy" not in dead
    assert "FifoQueue" not in queue


def test_the_file_system_is_encrypted_backed_up_and_mounted_by_tls_alone() -> None:
    files = Stack.of(Metadata="sqlite-efs").one("FileSystem")
    assert files["Encrypted"] is True
    assert files["BackupPolicy"] == {"Status": "ENABLED"}
    statements = files["FileSystemPolicy"]["Statement"]
    assert all(one["Effect"] == "Deny" for one in statements), "who may is said by roles"
    assert {"Bool": {"aws:SecureTransport": "false"}} in [one["Condition"] for one in statements]


def test_every_log_is_deleted_some_day() -> None:
    groups = _every("AWS::Logs::LogGroup")
    assert len(groups) == 5
    for name, one in groups.items():
        assert one["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}, name


def test_whoever_logs_does_it_in_a_group_of_the_stack(stack: Stack) -> None:
    groups = set(stack.of_type("AWS::Logs::LogGroup"))
    named = [one["LoggingConfig"]["LogGroup"] for one in stack.of_type("AWS::Lambda::Function").values()]
    for task in stack.of_type("AWS::ECS::TaskDefinition").values():
        named += [one["LogConfiguration"]["Options"]["awslogs-group"] for one in task["ContainerDefinitions"]]
    (stage,) = stack.of_type("AWS::ApiGateway::Stage").values()
    assert stage["AccessLogSetting"]["DestinationArn"] == {"Fn::GetAtt": ["ApiLogs", "Arn"]}
    assert {one["Ref"] for one in named} <= groups


def test_the_secret_makes_a_master_key_that_is_one() -> None:
    """Of 64 characters, from all that Secrets Manager would draw, without those it is told to leave out."""
    made = _every("AWS::SecretsManager::Secret")["MasterKey"]["Properties"]["GenerateSecretString"]
    assert made["ExcludeUppercase"] is True
    assert made["ExcludePunctuation"] is True
    alphabet = set("0123456789abcdefghijklmnopqrstuvwxyz") - set(made["ExcludeCharacters"])
    assert alphabet == set("0123456789abcdef")
    assert made["PasswordLength"] == 64
    key = ("".join(sorted(alphabet)) * 4)[: made["PasswordLength"]]
    assert parse_master_key(key) == bytes.fromhex(key)


def test_the_functions_read_the_field_that_the_secret_has() -> None:
    for variant in ({}, {"Metadata": "sqlite-efs"}):
        stack = Stack.of(**variant)
        made = stack.one("MasterKey")["GenerateSecretString"]
        for one in stack.of_type("AWS::Lambda::Function").values():
            given = one["Environment"]["Variables"]
            assert given["MEMTRACE_MASTER_KEY_SECRET_FIELD"] == made["GenerateStringKey"]
            assert given["MEMTRACE_MASTER_KEY_SECRET_ARN"] == {"Ref": "MasterKey"}


def test_a_table_and_a_key_that_are_there_are_used_instead_of_new_ones() -> None:
    arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:key-AbCdEf"
    stack = Stack.of(TableName="restored", MasterKeySecretArn=arn, FlusherImage=IMAGE)
    assert not {"Table", "MasterKey"} & set(stack.resources)
    processes = [*stack.of_type("AWS::Lambda::Function").values(), stack.one("FlusherTask")]
    for one in processes:
        assert variables(one)["MEMTRACE_DYNAMODB_TABLE"] == "restored"
        assert variables(one)["MEMTRACE_MASTER_KEY_SECRET_ARN"] == arn
    for role in ("EdgeRole", "AdminRole", "FlusherRole"):
        found = [one["Resource"] for one in statements(stack.resources[role])]
        assert arn in found
        assert "arn:aws:dynamodb:eu-central-1:123456789012:table/restored" in found


def test_a_file_system_that_is_there_is_used_instead_of_a_new_one() -> None:
    stack = Stack.of(Metadata="sqlite-efs", FileSystemId="fs-0123abcd", FlusherImage=IMAGE)
    assert stack.of_type("AWS::EFS::FileSystem") == {}
    assert stack.one("AccessPoint")["FileSystemId"] == "fs-0123abcd"
    assert {one["FileSystemId"] for one in stack.of_type("AWS::EFS::MountTarget").values()} == {"fs-0123abcd"}
    (volume,) = [one for one in stack.one("FlusherTask")["Volumes"] if "EFSVolumeConfiguration" in one]
    assert volume["EFSVolumeConfiguration"]["FilesystemId"] == "fs-0123abcd"
    assert stack.outputs()["FileSystemId"] == "fs-0123abcd"
    for role in ("EdgeRole", "AdminRole", "FlusherRole"):
        found = [one["Resource"] for one in statements(stack.resources[role])]
        assert "arn:aws:elasticfilesystem:eu-central-1:123456789012:file-system/fs-0123abcd" in found


def test_no_key_stands_in_the_template() -> None:
    for text in re.findall(r"[0-9A-Za-z+/]{43}=|[0-9a-f]{64}", str(transformed())):
        try:
            parse_master_key(text)
        except MasterKeyError:
            continue
        raise AssertionError("a master key")

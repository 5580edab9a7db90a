"""The API and the functions, in every kind of deployment."""

import importlib.util
import json
import re
from typing import Any, Final

import pytest

from core.model.errors import MemtraceError
from core.settings import Settings, every_setting
from core.settings_environ import load
from handlers.http.errors import status_of
from local.gateway.words import WORDS
from tests.source import SRC
from tests.template.stack import Stack, texts, transformed, variables
from tests.test_docs import errors

_GATEWAY_SECONDS: Final = 29
_FUNCTIONS: Final = "AWS::Lambda::Function"
_SECRET: Final = {"MEMTRACE_MASTER_KEY_SECRET_ARN", "MEMTRACE_MASTER_KEY_SECRET_FIELD"}


def functions(stack: Stack) -> dict[str, Any]:
    return stack.of_type(_FUNCTIONS)


def edge(stack: Stack) -> Any:
    (found,) = [one for one in functions(stack).values() if "lambda_api" in one["Handler"]]
    return found


def settings_of(properties: Any) -> Settings:
    """Settings from a function's environment, as it would read them; what only AWS knows is made up."""
    given = {
        name: value if isinstance(value, str | int) else "https://made.up/value"
        for name, value in variables(properties).items()
        if name not in _SECRET
    }
    return load({name: str(value) for name, value in given.items()})


# --- functions


def test_there_is_one_edge_and_one_administration(stack: Stack) -> None:
    assert sorted(one["Handler"] for one in functions(stack).values()) == [
        "handlers.lambda_admin.handler",
        "handlers.lambda_api.handler",
    ]


def test_handlers_are_functions_that_exist(stack: Stack) -> None:
    for one in functions(stack).values():
        module, _, name = one["Handler"].rpartition(".")
        path = SRC / f"{module.replace('.', '/')}.py"
        assert re.search(rf"^(def {name}\(|{name} = )", path.read_text(), re.MULTILINE), one["Handler"]
        assert importlib.util.find_spec(module) is not None


def test_functions_run_on_arm_and_a_python_that_snapshots_can_be_made_of(stack: Stack) -> None:
    for one in functions(stack).values():
        assert one["Architectures"] == ["arm64"]
        major, minor = one["Runtime"].removeprefix("python").split(".")
        assert (int(major), int(minor)) >= (3, 12)
        assert one["TracingConfig"] == {"Mode": "Active"}
        assert one["LoggingConfig"]["LogFormat"] == "JSON"


def test_the_edge_is_ended_after_its_own_deadline_and_before_the_gateways() -> None:
    for seconds in (10, 20, 28):
        for variant in ({}, {"Metadata": "sqlite-efs"}):
            found = edge(Stack.of(EdgeTimeout=seconds, **variant))
            given = settings_of(found)
            assert given.arc.query_timeout < given.server.write_timeout < found["Timeout"] < _GATEWAY_SECONDS
            assert given.dynamodb.timeout < given.server.write_timeout
            assert given.queue.send_timeout < given.server.write_timeout


def test_snapshots_and_file_systems_exclude_each_other(stack: Stack) -> None:
    for name, one in functions(stack).items():
        has_snapshot = one.get("SnapStart", {}).get("ApplyOn", "None") != "None"
        assert not (has_snapshot and "FileSystemConfigs" in one), name
        assert not (has_snapshot and one.get("EphemeralStorage", {}).get("Size", 512) > 512), name


def test_the_edge_on_dynamodb_starts_from_snapshots_of_published_versions() -> None:
    assert edge(Stack.of())["SnapStart"] == {"ApplyOn": "PublishedVersions"}
    assert edge(Stack.of(SnapStart="off"))["SnapStart"] == {"ApplyOn": "None"}
    resources = Stack.of().resources
    (version,) = [one for one in resources.values() if one["Type"] == "AWS::Lambda::Version"]
    assert version["DeletionPolicy"] == "Delete"


def test_the_gateway_calls_the_alias_of_what_has_snapshots() -> None:
    for metadata, wanted in {
        "dynamodb": {"Ref": "EdgeFunctionAliaslive"},
        "sqlite-efs": {"Fn::GetAtt": ["EdgeOnEfsFunction", "Arn"]},
    }.items():
        stack = Stack.of(Metadata=metadata)
        assert stack.one("EdgePermission")["FunctionName"] == wanted
        raw = [
            method["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"][1]["Edge"]
            for path in transformed()["Resources"]["Api"]["Properties"]["Body"]["paths"].values()
            for method in path.values()
        ]
        assert [stack.resolved(one) for one in raw] == [wanted] * 2


def test_a_parameter_that_changes_the_edge_publishes_a_version() -> None:
    """SAM makes the version's name of the template's text, in which a parameter's value does not stand."""
    template = transformed()
    (version,) = [one for one in template["Resources"].values() if one["Type"] == "AWS::Lambda::Version"]
    described = "".join(texts(version["Properties"]["Description"]))
    named = set(texts(template["Resources"]["EdgeFunction"]["Properties"]))
    for _ in template["Conditions"]:
        named |= {t for c, one in template["Conditions"].items() if c in named for t in texts(one)}
    changing = {name for name in template["Parameters"] if name in named}
    # Concurrency is the function's and no version's, Metadata chooses the function, subnets come with a VPC.
    assert {name for name in changing if name not in described} == {"EdgeConcurrency", "Metadata", "VpcId"}


def test_the_description_of_a_version_is_not_too_long() -> None:
    arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:" + "s" * 64
    longest = Stack.of(
        ArcAccess="private",
        VpcId="vpc-0a1b2c3d",
        EdgeMemory=10240,
        JournalShards=64,
        MasterKeySecretArn=arn,
        SubnetIds=",".join(["subnet-" + "0" * 17] * 5),
        TableName="t" * 88,
        KmsKeyArn="arn:aws:kms:eu-central-1:123456789012:key/mrk-" + "0" * 32,
    )
    (version,) = longest.of_type("AWS::Lambda::Version").values()
    assert "s" * 64 in version["Description"]
    assert version["Description"].count(" " + "0" * 17) == 2
    assert len(version["Description"]) <= 256


def _description(**given: Any) -> str:
    (version,) = Stack.of(**given).of_type("AWS::Lambda::Version").values()
    return str(version["Description"])


def test_subnets_that_are_not_the_functions_publish_nothing() -> None:
    """Lambda refuses a version of a function that did not change, and with it the deployment."""
    one, two = (
        {"VpcId": "vpc-1", "SubnetIds": "subnet-1,subnet-2"},
        {"VpcId": "vpc-1", "SubnetIds": "subnet-3,subnet-4"},
    )
    assert _description() == _description(**one) == _description(**two)
    assert _description(ArcAccess="private", **one) != _description(ArcAccess="private", **two)


def test_the_reserved_concurrency_is_a_parameter_and_small_on_a_file() -> None:
    assert "ReservedConcurrentExecutions" not in edge(Stack.of())
    assert edge(Stack.of(EdgeConcurrency=50))["ReservedConcurrentExecutions"] == 50
    assert edge(Stack.of(Metadata="sqlite-efs"))["ReservedConcurrentExecutions"] == 10
    assert edge(Stack.of(Metadata="sqlite-efs", EdgeConcurrency=5))["ReservedConcurrentExecutions"] == 5


def test_an_account_of_which_nothing_can_be_reserved_can_have_every_stack() -> None:
    for metadata in ("dynamodb", "sqlite-efs"):
        given = edge(Stack.of(Metadata=metadata, EdgeConcurrency=-1))
        assert "ReservedConcurrentExecutions" not in given


def test_functions_on_a_file_system_wait_for_its_mount_targets(stack: Stack) -> None:
    targets = set(stack.of_type("AWS::EFS::MountTarget"))
    for name, one in stack.resources.items():
        if one["Type"] == _FUNCTIONS and "FileSystemConfigs" in one["Properties"]:
            assert set(one["DependsOn"]) == targets, name
            assert one["Properties"]["VpcConfig"]["SubnetIds"]
            for mount in one["Properties"]["FileSystemConfigs"]:
                assert mount["LocalMountPath"].startswith("/mnt/")


def test_a_function_on_a_file_system_keeps_its_database_there() -> None:
    stack = Stack.of(Metadata="sqlite-efs")
    for one in functions(stack).values():
        (mount,) = one["FileSystemConfigs"]
        given = settings_of(one)
        assert str(given.auth.db_path).startswith(mount["LocalMountPath"] + "/")
        assert given.metadata.backend == "sqlite"
        assert (given.journal.mode, given.journal.synchronous) == ("shared", "extra")
        assert given.journal.turn_timeout < given.server.write_timeout


# --- settings


def test_every_variable_is_a_setting_and_every_value_fits(stack: Stack) -> None:
    known = {one.variable for one in every_setting()} | _SECRET
    for one in [*functions(stack).values(), *stack.of_type("AWS::ECS::TaskDefinition").values()]:
        ours = {name for name in variables(one) if name.startswith("MEMTRACE_")}
        assert sorted(ours - known) == []
        assert settings_of(one).warnings == ()


def test_what_is_on_the_internet_names_no_orgs_and_asks_for_keys(stack: Stack) -> None:
    given = settings_of(edge(stack))
    assert given.server.health_details is False
    assert given.server.metrics is False
    assert given.auth.enabled is True


def test_bindings_lead_neither_into_the_sandbox_nor_in_the_clear() -> None:
    public = settings_of(edge(Stack.of()))
    assert public.arc.allowed_networks == ("public",)
    assert public.arc.allowed_schemes == ("https",)
    private = settings_of(edge(Stack.of(ArcAccess="private")))
    assert "loopback" not in private.arc.allowed_networks


def test_edge_administration_and_flusher_have_the_same_metadata_queue_and_key(stack: Stack) -> None:
    all_of_them = [*functions(stack).values(), *stack.of_type("AWS::ECS::TaskDefinition").values()]
    for name in (
        "MEMTRACE_METADATA_BACKEND",
        "MEMTRACE_QUEUE_URL",
        "MEMTRACE_QUEUE_DEAD_LETTER_URL",
        "MEMTRACE_MASTER_KEY_SECRET_ARN",
        "MEMTRACE_MASTER_KEY_SECRET_FIELD",
        "MEMTRACE_METRICS_NAMESPACE",
    ):
        assert len({json.dumps(variables(one)[name]) for one in all_of_them}) == 1, name


def test_no_variable_holds_a_secret(stack: Stack) -> None:
    for one in [*functions(stack).values(), *stack.of_type("AWS::ECS::TaskDefinition").values()]:
        names = {n for n in variables(one) if re.search("KEY|TOKEN|SECRET|PASS", n)}
        assert names == _SECRET


# --- the door


def test_there_is_one_stage_with_limits_traces_and_access_logs(stack: Stack) -> None:
    (stage,) = stack.of_type("AWS::ApiGateway::Stage").values()
    (deployment,) = stack.of_type("AWS::ApiGateway::Deployment").values()
    assert "StageName" not in deployment, "a second stage, without any of this"
    assert stage["TracingEnabled"] is True
    (method,) = stage["MethodSettings"]
    assert method["ThrottlingRateLimit"] > 0
    assert method["ThrottlingBurstLimit"] > 0
    assert (method["LoggingLevel"], method["DataTraceEnabled"]) == ("ERROR", False)


def test_the_access_log_is_json_and_holds_no_keys(stack: Stack) -> None:
    (stage,) = stack.of_type("AWS::ApiGateway::Stage").values()
    logged = json.loads(stage["AccessLogSetting"]["Format"])
    assert {"requestId", "status", "latency", "path"} <= set(logged)
    assert not re.search("header|body|apiKey|authorizer|querystring", json.dumps(logged), re.IGNORECASE)


def test_every_path_leads_to_the_edge_with_binary_bodies() -> None:
    body = transformed()["Resources"]["Api"]["Properties"]["Body"]
    assert set(body["paths"]) == {"/", "/{proxy+}"}
    for path in body["paths"].values():
        (method,) = path.values()
        integration = method["x-amazon-apigateway-integration"]
        assert integration["type"] == "aws_proxy"
        assert integration["timeoutInMillis"] == _GATEWAY_SECONDS * 1000
        assert "security" not in method
    assert body["x-amazon-apigateway-binary-media-types"] == ["*/*"]


def test_the_api_is_regional(stack: Stack) -> None:
    (api,) = stack.of_type("AWS::ApiGateway::RestApi").values()
    assert api["EndpointConfiguration"]["Types"] == ["REGIONAL"]


def _gateways_own() -> dict[str, Any]:
    body = transformed()["Resources"]["Api"]["Properties"]["Body"]
    found: dict[str, Any] = body["x-amazon-apigateway-gateway-responses"]
    return found


@pytest.mark.parametrize("kind", sorted(_gateways_own()))
def test_what_the_gateway_answers_has_our_shape_and_our_words(kind: str) -> None:
    one = _gateways_own()[kind]
    text = one["responseTemplates"]["application/json"]
    told = json.loads(text)
    assert set(told) - {"hint"} == {"error", "code", "request_id"}
    assert told["request_id"] == "$context.requestId"
    known: dict[str, type[MemtraceError]] = {error.code: error for error in errors()}
    assert told["code"] in known
    if "statusCode" in one:
        assert status_of(known[told["code"]]) == int(one["statusCode"])


def test_the_gateway_of_this_machine_says_the_same() -> None:
    for kind, words in WORDS.items():
        one = _gateways_own()[kind]
        told = json.loads(one["responseTemplates"]["application/json"])
        assert {name: text for name, text in told.items() if name != "request_id"} == words.body, kind
        assert int(one.get("statusCode", 0)) == words.status, kind
        retry = one["responseParameters"].get("gatewayresponse.header.Retry-After", "''")
        assert retry.strip("'") == words.headers.get("retry-after", ""), kind


def test_a_body_that_is_taken_fits_into_an_invocation(stack: Stack) -> None:
    """In base64, with room for path, query and headers; API Gateway takes 10 KB of headers."""
    assert settings_of(edge(stack)).server.max_body_bytes * 4 / 3 + 64 * 1024 < 6 * 1024 * 1024


def test_whoever_is_answered_by_the_gateway_gets_a_request_id_and_may_be_a_page() -> None:
    for kind, one in _gateways_own().items():
        headers = one["responseParameters"]
        assert headers["gatewayresponse.header.X-Request-ID"] == "context.requestId", kind
        assert headers["gatewayresponse.header.Access-Control-Allow-Origin"] == "'*'", kind


def test_the_gateway_answers_by_itself_for_everything_it_can() -> None:
    assert {"DEFAULT_4XX", "DEFAULT_5XX", "THROTTLED", "REQUEST_TOO_LARGE", "INTEGRATION_TIMEOUT"} <= set(
        _gateways_own()
    )


def test_administration_is_reached_by_iam_alone(stack: Stack) -> None:
    permissions = stack.of_type("AWS::Lambda::Permission")
    assert set(permissions) == {"EdgePermission"}
    assert permissions["EdgePermission"]["SourceArn"]
    assert stack.of_type("AWS::Lambda::Url") == {}
    assert "Admin" not in json.dumps(transformed()["Resources"]["Api"])

"""Alarms and the dashboard: that they look at what is really told, and lead to what is to be done."""

import json
import re
from typing import Any, Final, get_args

import pytest

from core.families import FAMILIES
from core.model.errors import MemtraceError
from core.telemetry import MetricName
from flusher.ports import FlusherLimits
from handlers.http.errors import status_of
from tests.template.stack import IMAGE, Stack, read, source
from tests.test_docs import errors

_KNOWN: Final = {
    "AWS/ApiGateway": {"5XXError", "4XXError", "Count", "Latency"},
    "AWS/DynamoDB": {"ReadThrottleEvents", "WriteThrottleEvents"},
    "AWS/ECS": {"CPUUtilization"},
    "AWS/Lambda": {"Errors", "Throttles"},
    "AWS/SQS": {"ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible"},
}
_SCALING: Final = {"MessagesGrowOld", "MessagesAreFresh"}
_PAGE: Final = "docs/operating-aws.md"


def alarms(stack: Stack) -> dict[str, Any]:
    """Those that somebody is told of."""
    return {n: one for n, one in stack.of_type("AWS::CloudWatch::Alarm").items() if n not in _SCALING}


def metrics(alarm: Any) -> list[tuple[str, str, Any]]:
    """Namespace, name and dimensions of what it looks at."""
    if "Metrics" not in alarm:
        return [(alarm["Namespace"], alarm["MetricName"], alarm["Dimensions"])]
    stats = [one["MetricStat"]["Metric"] for one in alarm["Metrics"] if "MetricStat" in one]
    return [(one["Namespace"], one["MetricName"], one["Dimensions"]) for one in stats]


def _dimensions(given: Any) -> dict[str, Any]:
    return {one["Name"]: one["Value"] for one in given}


def test_there_is_an_alarm_for_everything_that_can_go_wrong_unseen() -> None:
    assert set(alarms(Stack.of(FlusherImage=IMAGE))) == {
        "DeadLettersAlarm",
        "DeadMemoriesAlarm",
        "EdgeErrorsAlarm",
        "EdgeFailuresAlarm",
        "EdgeLatencyAlarm",
        "EdgeThrottlesAlarm",
        "FlusherDownAlarm",
        "OldestMessageAlarm",
        "OldestOwedAlarm",
        "OpenCircuitsAlarm",
        "TableReadThrottlesAlarm",
        "TableWriteThrottlesAlarm",
    }


def test_every_alarm_tells_the_topic_and_says_what_missing_data_means(stack: Stack) -> None:
    for name, one in alarms(stack).items():
        assert one["AlarmActions"] == [{"Ref": "AlarmTopic"}], name
        assert one["TreatMissingData"] in ("notBreaching", "breaching"), name
        assert one["EvaluationPeriods"] >= one.get("DatapointsToAlarm", 1), name


def test_every_alarm_leads_to_what_is_to_be_done(stack: Stack) -> None:
    page = read(_PAGE)
    headings = {
        re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        for text in re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    }
    for name, one in alarms(stack).items():
        (anchor,) = re.findall(rf"{re.escape(_PAGE)}#([\w-]+)$", one["AlarmDescription"])
        assert anchor in headings, name
        assert f"`{name}`" in page, name


def test_codes_that_the_edges_alarm_explains_are_those_of_errors() -> None:
    (part,) = re.findall(r"### Edge 5xx\n(.*?)\n###", read(_PAGE), re.DOTALL)
    explained = re.findall(r"^- `(\d+)` `(\w+)`", part, re.MULTILINE)
    assert {("503", "metadata_busy"), ("503", "journal_full")} <= set(explained)
    known: dict[str, type[MemtraceError]] = {error.code: error for error in errors()}
    assert [(int(status), code) for status, code in explained] == [
        (status_of(known[code]), code) for _, code in explained
    ]


def test_alarms_that_are_explained_exist() -> None:
    named = set(re.findall(r"`(\w+Alarm)`", read(_PAGE)))
    everything = {n for n, one in source()["Resources"].items() if one["Type"] == "AWS::CloudWatch::Alarm"}
    assert named == everything - _SCALING


def test_alarms_look_at_metrics_that_are_told(stack: Stack) -> None:
    for alarm, one in alarms(stack).items():
        for namespace, name, dimensions in metrics(one):
            if namespace.startswith("AWS/"):
                assert name in _KNOWN[namespace], alarm
            else:
                assert name in get_args(MetricName), alarm
                assert FAMILIES[name].kind == "gauge", alarm  # type: ignore[index]
                assert _dimensions(dimensions) == {"process": "flusher"}, alarm


def test_metrics_of_ours_are_looked_for_where_they_are_told(stack: Stack) -> None:
    (edge,) = {
        one["Environment"]["Variables"]["MEMTRACE_METRICS_NAMESPACE"]
        for one in stack.of_type("AWS::Lambda::Function").values()
    }
    ours = {ns for one in alarms(stack).values() for ns, _, _ in metrics(one) if not ns.startswith("AWS/")}
    assert ours <= {edge}


def test_a_minute_in_which_the_flusher_told_nothing_ends_no_alarm(stack: Stack) -> None:
    """It tells about once a minute; a minute without its numbers is one that is well."""
    every = FlusherLimits().tell_every
    for name, one in alarms(stack).items():
        if one.get("Namespace", "AWS/").startswith("memtrace/"):
            told = one["EvaluationPeriods"] * one["Period"] / (every * 4 / 3)
            assert one.get("DatapointsToAlarm", one["EvaluationPeriods"]) <= told, name


def test_the_flusher_writes_its_metrics_where_cloudwatch_finds_them() -> None:
    (container,) = Stack.of(FlusherImage=IMAGE).one("FlusherTask")["ContainerDefinitions"]
    given = {one["Name"]: one["Value"] for one in container["Environment"]}
    assert given["MEMTRACE_METRICS_FORMAT"] == "emf"
    assert container["LogConfiguration"]["LogDriver"] == "awslogs"


def test_alarms_look_at_resources_of_this_stack(stack: Stack) -> None:
    for alarm, one in alarms(stack).items():
        for namespace, _, dimensions in metrics(one):
            found = _dimensions(dimensions)
            if namespace == "AWS/ApiGateway":
                assert found == {"ApiName": "memtrace", "Stage": "live"}, alarm
            elif namespace == "AWS/Lambda":
                (edge,) = [
                    n for n, p in stack.of_type("AWS::Lambda::Function").items() if "api" in p["Handler"]
                ]
                assert found == {"FunctionName": {"Ref": edge}}, alarm
            elif namespace.startswith("AWS/"):
                assert all(isinstance(v, dict) or v == "restored" for v in found.values()), alarm


def test_an_arithmetic_alarm_shows_one_result(stack: Stack) -> None:
    for name, one in alarms(stack).items():
        if "Metrics" in one:
            assert len([m for m in one["Metrics"] if m["ReturnData"]]) == 1, name
            assert "Namespace" not in one, name


def test_no_alarm_adds_up_metrics_that_are_told_only_when_something_went_wrong(stack: Stack) -> None:
    """Without data of one there is no sum, and so no alarm."""
    for name, one in alarms(stack).items():
        rare = [metric for _, metric, _ in metrics(one) if "Throttle" in metric]
        assert len(rare) <= 1, name


def test_a_flusher_that_is_gone_is_told_of_though_it_tells_nothing() -> None:
    alarm = Stack.of(FlusherImage=IMAGE).one("FlusherDownAlarm")
    assert alarm["TreatMissingData"] == "breaching"


def test_alarms_reach_the_address_that_is_given() -> None:
    assert Stack.of().of_type("AWS::SNS::Subscription") == {}
    (one,) = Stack.of(AlarmEmail="ops@example.org").of_type("AWS::SNS::Subscription").values()
    assert (one["Protocol"], one["Endpoint"]) == ("email", "ops@example.org")


def test_the_topic_takes_alarms_of_this_account_alone(stack: Stack) -> None:
    allowed = [
        one
        for one in stack.one("AlarmTopicPolicy")["PolicyDocument"]["Statement"]
        if one["Effect"] == "Allow"
    ]
    assert [one["Principal"] for one in allowed] == [{"Service": "cloudwatch.amazonaws.com"}]
    assert all(one["Condition"]["StringEquals"]["aws:SourceAccount"] for one in allowed)


def _dashboard(stack: Stack) -> Any:
    body = stack.one("Dashboard")["DashboardBody"]
    text = body["Fn::Sub"] if isinstance(body, dict) else body
    backend = stack.resolved(
        stack.template["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"][1]
    )
    inner = backend["Backend"]
    text = text.replace("${Backend}", inner["Fn::Sub"] if isinstance(inner, dict) else inner)
    return json.loads(text)


def test_the_dashboard_is_json_whose_widgets_do_not_overlap(stack: Stack) -> None:
    places = set()
    for widget in _dashboard(stack)["widgets"]:
        place = (widget["x"], widget["y"])
        assert place not in places
        assert widget["x"] + widget["width"] <= 24
        places.add(place)
    assert len(places) == 8


@pytest.mark.parametrize("metadata", ["dynamodb", "sqlite-efs"])
def test_the_dashboard_shows_metrics_that_are_told(metadata: str) -> None:
    text = json.dumps(_dashboard(Stack.of(Metadata=metadata, FlusherImage=IMAGE)))
    named = set(re.findall(r"memtrace_\w+", text))
    assert named <= set(get_args(MetricName))
    assert {"memtrace_oldest_owed_seconds", "memtrace_writes_total", "memtrace_open_circuits"} <= named
    assert ("AWS/DynamoDB" in text) is (metadata == "dynamodb")
    assert ("AWS/EFS" in text) is (metadata == "sqlite-efs")

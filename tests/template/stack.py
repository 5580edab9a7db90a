"""template.yaml as AWS would see it: transformed, and with its conditions decided for given parameters."""

import copy
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from cfnlint.decode import cfn_yaml
from samtranslator.public.translator import ManagedPolicyLoader
from samtranslator.translator.transform import transform

from tests.source import SRC

ROOT: Final = SRC.parent
TEMPLATE: Final = ROOT / "template.yaml"
REGION: Final = "eu-central-1"
IMAGE: Final = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/memtrace:1"
VPC: Final[Mapping[str, str]] = {"VpcId": "vpc-0a1b2c3d", "SubnetIds": "subnet-0000000a,subnet-0000000b"}
_NOTHING: Final = object()
_PSEUDO: Final = {
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::StackId": f"arn:aws:cloudformation:{REGION}:123456789012:stack/memtrace/1",
    "AWS::StackName": "memtrace",
    "AWS::URLSuffix": "amazonaws.com",
}


@cache
def _read() -> Any:
    return json.loads(json.dumps(cfn_yaml.load(str(TEMPLATE))))


def source() -> Any:
    """The template as it is written, with short forms of functions spelled out."""
    return copy.deepcopy(_read())


class _NoPolicies(ManagedPolicyLoader):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__(None)

    def load(self) -> dict[str, str]:
        return {}


@cache
def _transformed() -> Any:
    template = source()
    template["Globals"]["Function"]["CodeUri"] = "s3://bucket/key"
    before = os.environ.get("AWS_DEFAULT_REGION")
    os.environ["AWS_DEFAULT_REGION"] = REGION
    try:
        return json.loads(json.dumps(transform(template, {}, _NoPolicies())))
    finally:
        if before is None:
            del os.environ["AWS_DEFAULT_REGION"]
        else:
            os.environ["AWS_DEFAULT_REGION"] = before


def transformed() -> Any:
    """What SAM makes of it."""
    return copy.deepcopy(_transformed())


@dataclass(frozen=True, slots=True)
class Stack:
    """A deployment with these parameters. What only AWS knows stays a function: `{"Ref": "Table"}`."""

    parameters: Mapping[str, Any]
    template: Any = field(repr=False)

    @classmethod
    def of(cls, **given: Any) -> "Stack":
        template = transformed()
        unknown = set(given) - set(template["Parameters"])
        assert not unknown, unknown
        values = {name: given.get(name, one.get("Default")) for name, one in template["Parameters"].items()}
        for name, one in template["Parameters"].items():
            if one["Type"] == "CommaDelimitedList":
                values[name] = str(values[name]).split(",")
        return cls(values, template)

    def holds(self, condition: str) -> bool:
        return bool(self.resolved(self.template["Conditions"][condition]))

    @property
    def resources(self) -> dict[str, Any]:
        """Only those that would be made."""
        return {
            name: self.resolved({k: v for k, v in one.items() if k != "Condition"})
            for name, one in self.template["Resources"].items()
            if "Condition" not in one or self.holds(one["Condition"])
        }

    def outputs(self) -> dict[str, Any]:
        return {
            name: self.resolved(one["Value"])
            for name, one in self.template["Outputs"].items()
            if "Condition" not in one or self.holds(one["Condition"])
        }

    def of_type(self, kind: str) -> dict[str, Any]:
        """Properties by logical id."""
        return {n: one["Properties"] for n, one in self.resources.items() if one["Type"] == kind}

    def one(self, name: str) -> Any:
        """The properties of a resource."""
        return self.resources[name]["Properties"]

    def resolved(self, node: Any) -> Any:
        """The part of the template with its functions carried out, as far as parameters decide."""
        if isinstance(node, list):
            return [v for one in node if (v := self.resolved(one)) is not _NOTHING]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            ((name, given),) = node.items()
            if (function := _FUNCTIONS.get(name)) is not None:
                return function(self, given)
        return {k: v for k, one in node.items() if (v := self.resolved(one)) is not _NOTHING}

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return _NOTHING
        if name in _PSEUDO:
            return _PSEUDO[name]
        return self.parameters.get(name, {"Ref": name})

    def _if(self, given: Any) -> Any:
        condition, then, otherwise = given
        return self.resolved(then if self.holds(condition) else otherwise)

    def _found(self, given: Any) -> Any:
        name, first, second = (self.resolved(part) for part in given)
        return self.template["Mappings"][name][str(first)][second]

    def _equal(self, given: Any) -> bool:
        left, right = (self.resolved(one) for one in given)
        return str(left) == str(right)

    def _joined(self, given: Any) -> Any:
        separator, parts = given[0], self.resolved(given[1])
        if not all(isinstance(part, str) for part in parts):
            return {"Fn::Join": [separator, parts]}
        return separator.join(parts)

    def _selected(self, given: Any) -> Any:
        index, parts = given[0], self.resolved(given[1])
        return parts[int(index)] if isinstance(parts, list) else {"Fn::Select": [index, parts]}

    def _split(self, given: Any) -> Any:
        separator, text = given[0], self.resolved(given[1])
        return text.split(separator) if isinstance(text, str) else {"Fn::Split": [separator, text]}

    def _substituted(self, given: Any) -> Any:
        text, more = given if isinstance(given, list) else (given, {})
        for name, value in [*self.resolved(more).items(), *_PSEUDO.items(), *self.parameters.items()]:
            if isinstance(value, str | int):
                text = text.replace(f"${{{name}}}", str(value))
        return {"Fn::Sub": text} if "${" in text else text


_FUNCTIONS: Final[dict[str, Any]] = {
    "Ref": Stack._ref,
    "Fn::If": Stack._if,
    "Fn::FindInMap": Stack._found,
    "Fn::Equals": Stack._equal,
    "Fn::Join": Stack._joined,
    "Fn::Select": Stack._selected,
    "Fn::Split": Stack._split,
    "Fn::Sub": Stack._substituted,
    "Condition": Stack.holds,
    "Fn::Not": lambda stack, given: not stack.resolved(given[0]),
    "Fn::And": lambda stack, given: all(stack.resolved(one) for one in given),
    "Fn::Or": lambda stack, given: any(stack.resolved(one) for one in given),
}

VARIANTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "dynamodb": {},
    "dynamodb with a flusher": {"FlusherImage": IMAGE},
    "dynamodb, private Arcs": {"FlusherImage": IMAGE, "ArcAccess": "private"},
    "dynamodb, private Arcs in a given VPC": {
        **VPC,
        "FlusherImage": IMAGE,
        "ArcAccess": "private",
        "RouteTableIds": "rtb-0000000a",
        "VpcEndpoints": "create",
    },
    "sqlite-efs": {"Metadata": "sqlite-efs", "FlusherImage": IMAGE},
    "sqlite-efs, private Arcs": {"Metadata": "sqlite-efs", "FlusherImage": IMAGE, "ArcAccess": "private"},
    "sqlite-efs in a given VPC": {**VPC, "Metadata": "sqlite-efs", "FlusherImage": IMAGE},
    "dynamodb, restored": {
        "FlusherImage": IMAGE,
        "TableName": "restored",
        "MasterKeySecretArn": f"arn:aws:secretsmanager:{REGION}:123456789012:secret:key-AbCdEf",
    },
}
"""Deployments that every rule has to hold for."""


def statements(resource: Any) -> Iterator[Any]:
    """Of a role's or a policy's documents."""
    properties = resource["Properties"]
    documents = [one["PolicyDocument"] for one in properties.get("Policies", ())]
    if "PolicyDocument" in properties:
        documents.append(properties["PolicyDocument"])
    for document in documents:
        yield from document["Statement"]


def listed(value: Any) -> list[Any]:
    """A policy's one or many."""
    return value if isinstance(value, list) else [value]


def variables(properties: Any) -> dict[str, Any]:
    """The environment of a function, or of a task's containers."""
    if "Environment" in properties:
        return dict(properties["Environment"]["Variables"])
    containers = properties["ContainerDefinitions"]
    return {one["Name"]: one["Value"] for c in containers for one in c["Environment"]}


def texts(node: Any) -> Iterator[str]:
    """Every text in it."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, Mapping):
        for key, value in node.items():
            yield str(key)
            yield from texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from texts(value)


def read(path: str) -> str:
    return Path(ROOT / path).read_text()

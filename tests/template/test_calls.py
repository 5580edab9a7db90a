"""Roles against the calls that the adapters make: each is granted, and nothing is granted that none makes."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import botocore.session
import pytest

from tests.source import SRC
from tests.template.stack import Stack, listed, statements
from tests.template.test_rights import granted

_ADAPTERS: Final = SRC / "core" / "adapters"
_EVERYBODY: Final = ("EdgeRole", "AdminRole", "FlusherRole")
_WHO: Final[dict[str, tuple[str, ...]]] = {
    "aws/secrets.py": _EVERYBODY,
    "dynamodb/table.py": ("AdminRole", "FlusherRole"),
    "dynamodb": _EVERYBODY,
    "sqs/dead.py": ("AdminRole",),
    "sqs/queue.py": ("FlusherRole",),
    "sqs/receipts.py": ("FlusherRole",),
    "sqs/receiving.py": ("FlusherRole",),
    "sqs/sender.py": ("EdgeRole",),
}
"""Which processes use a module; the longest name that fits counts."""
_BY_HAND: Final = {"CreateTable", "UpdateTimeToLive"}
"""Made where no template makes the table, and never in a stack."""
_MADE_UP: Final = {"dynamodb/client.py": {"DeleteItem", "PutItem", "UpdateItem"}}
"""Names that are put together from those of classes."""
_ACTIONS: Final = {
    "ChangeMessageVisibilityBatch": {"ChangeMessageVisibility"},
    "DeleteMessageBatch": {"DeleteMessage"},
    "SendMessageBatch": {"SendMessage"},
    "TransactGetItems": {"GetItem"},
    "TransactWriteItems": {"ConditionCheckItem", "DeleteItem", "PutItem", "UpdateItem"},
}
"""What an operation takes that has no action of its own name."""


def operations() -> dict[str, set[str]]:
    """Of the services that we call, by their names in IAM."""
    session = botocore.session.get_session()
    return {
        service: set(session.get_service_model(service).operation_names)
        for service in ("dynamodb", "secretsmanager", "sqs")
    }


def called() -> Iterator[tuple[str, str, str]]:
    """Module, service and operation, wherever a module has an operation's name."""
    known = operations()
    for path in sorted(_ADAPTERS.rglob("*.py")):
        module = path.relative_to(_ADAPTERS).as_posix()
        if not module.startswith(("aws/secrets", "dynamodb/", "sqs/")):
            continue
        names = _texts(path) | _MADE_UP.get(module, set())
        for service, operation in _pairs(known):
            if operation in names - _BY_HAND and (service == module.partition("/")[0] or "aws/" in module):
                yield module, service, operation


def _texts(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}


def _pairs(known: dict[str, set[str]]) -> Iterator[tuple[str, str]]:
    for service, names in known.items():
        yield from ((service, name) for name in sorted(names))


def users(module: str) -> tuple[str, ...]:
    fitting = [name for name in _WHO if module == name or module.startswith(f"{name}/")]
    assert fitting, f"{module} calls AWS: say in _WHO which processes use it"
    return _WHO[max(fitting, key=len)]


def needed() -> dict[str, set[str]]:
    """Role → actions."""
    found: dict[str, set[str]] = {role: set() for role in _EVERYBODY}
    for module, service, operation in called():
        for role in users(module):
            found[role] |= {f"{service}:{action}" for action in _ACTIONS.get(operation, {operation})}
    return found


def allowed(stack: Stack, role: str) -> set[str]:
    actions = {action for action, _ in granted(stack, role)}
    return {action for action in actions if re.match("dynamodb|sqs|secretsmanager", action)}


@pytest.mark.parametrize("role", _EVERYBODY)
def test_a_role_allows_just_the_calls_that_its_process_makes(role: str) -> None:
    assert sorted(allowed(Stack.of(), role)) == sorted(needed()[role])


@pytest.mark.parametrize("role", _EVERYBODY)
def test_on_a_file_no_table_is_called(role: str) -> None:
    wanted = {action for action in needed()[role] if not action.startswith("dynamodb:")}
    assert allowed(Stack.of(Metadata="sqlite-efs"), role) == wanted


def test_endpoints_let_through_what_roles_allow(stack: Stack) -> None:
    wanted: set[str] = set().union(*(allowed(stack, role) for role in _EVERYBODY))
    for one in stack.of_type("AWS::EC2::VPCEndpoint").values():
        service = one["ServiceName"].rpartition(".")[2]
        (statement,) = one["PolicyDocument"]["Statement"]
        assert set(listed(statement["Action"])) == {a for a in wanted if a.startswith(f"{service}:")}


def test_every_action_exists() -> None:
    known = {f"{service}:{name}" for service, name in _pairs(operations())} | {"dynamodb:ConditionCheckItem"}
    for role in _EVERYBODY:
        actions: set[Any] = {
            a for one in statements(Stack.of().resources[role]) for a in listed(one["Action"])
        }
        ours = {action for action in actions if re.match("dynamodb|sqs|secretsmanager", action)}
        assert ours <= known

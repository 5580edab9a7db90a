"""Runs in the SDK's own Python: prints as JSON what code can take from the client that is installed there."""

import importlib
import inspect
import json
import sys
from typing import Any

MODULES = ("", "._base", "._version", ".async_client", ".client", ".exceptions", ".models")


def parameters(function: Any) -> list[list[str]]:
    """Name, kind and default of each."""
    return [[p.name, p.kind.name, repr(p.default)] for p in inspect.signature(function).parameters.values()]


def class_of(kind: type) -> dict[str, Any]:
    """Its bases, its methods, and the fields of a model."""
    methods = {n: parameters(f) for n, f in inspect.getmembers(kind, inspect.isfunction) if _is_theirs(n, f)}
    fields = {
        name: [str(field.annotation), field.is_required(), repr(field.default), repr(field.metadata)]
        for name, field in getattr(kind, "model_fields", {}).items()
    }
    return {"bases": [base.__name__ for base in kind.__mro__], "methods": methods, "fields": fields}


def _is_theirs(name: str, function: Any) -> bool:
    dunder = name.startswith("__") and name.endswith("__")
    return (dunder or not name.startswith("_")) and function.__module__.startswith("memtrace")


def told(value: Any) -> Any:
    if inspect.isclass(value):
        return class_of(value) if value.__module__.startswith("memtrace") else "a class"
    return parameters(value) if inspect.isfunction(value) else type(value).__name__


def main() -> None:
    surface = {}
    for name in MODULES:
        module = importlib.import_module("memtrace" + name)
        surface[name] = {n: told(v) for n, v in vars(module).items() if _can_be_meant(n)}
    json.dump(surface, sys.stdout)


def _can_be_meant(name: str) -> bool:
    """Whether somebody may have imported it from here: not what a module needs for itself."""
    own = ("Any", "BaseModel", "Field", "Literal", "annotations", "datetime", "quote")
    return not name.startswith("_") and name not in own


main()

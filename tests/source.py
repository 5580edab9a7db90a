"""The project's own source, read for the tests that hold its rules."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

SRC: Final = Path(__file__).resolve().parent.parent / "src"
Function = ast.FunctionDef | ast.AsyncFunctionDef
_NESTING: Final = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.Match)


@dataclass(frozen=True, slots=True)
class Module:
    name: str
    path: Path
    text: str
    tree: ast.Module

    @property
    def lines(self) -> int:
        return len(self.text.splitlines())

    def imports(self) -> Iterator[tuple[str, int]]:
        """Every module imported anywhere in it, with the line; of `from a import b`, `a` and `a.b`."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((alias.name, node.lineno) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield f"{'.' * node.level}{node.module or ''}", node.lineno
                for alias in node.names:
                    if f"{node.module}.{alias.name}" in module_names():
                        yield f"{node.module}.{alias.name}", node.lineno

    def functions(self) -> Iterator[Function]:
        return (n for n in ast.walk(self.tree) if isinstance(n, Function))


@cache
def module_names() -> frozenset[str]:
    return frozenset(_name(path) for path in SRC.rglob("*.py"))


@cache
def modules() -> tuple[Module, ...]:
    """Every module of src that is not empty."""
    found = []
    for path in sorted(SRC.rglob("*.py")):
        text = path.read_text()
        if text.strip():
            found.append(Module(_name(path), path.relative_to(SRC), text, ast.parse(text)))
    return tuple(found)


def body_lines(function: Function) -> int:
    """Lines of its statements: neither signature nor docstring."""
    statements = function.body[1:] if ast.get_docstring(function) is not None else function.body
    if not statements:
        return 0
    return (statements[-1].end_lineno or 0) - statements[0].lineno + 1


def depth(node: ast.AST, level: int = 0) -> int:
    """How deep branches and loops nest; an `elif` is as deep as its `if`, an inner function starts anew."""
    deepest = level
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function | ast.ClassDef | ast.Lambda):
            continue
        inner = level + isinstance(child, _NESTING)
        if isinstance(node, ast.If) and isinstance(child, ast.If) and node.orelse == [child]:
            inner = level
        deepest = max(deepest, depth(child, inner))
    return deepest


def _name(path: Path) -> str:
    parts = path.relative_to(SRC).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

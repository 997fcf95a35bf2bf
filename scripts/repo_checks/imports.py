"""Who imports whom, read from the syntax trees: nothing is executed."""

from __future__ import annotations

import ast
import dataclasses
from collections import deque
from collections.abc import Iterator, Mapping

from repo_checks.files import Files

SOURCE_ROOTS = ("services/", "clients/python/")


@dataclasses.dataclass(frozen=True)
class Import:
    """An imported name.

    Attributes:
        module: full name; for `from a import b` both "a" and "a.b" are given, since b may be a module.
        line: where, from 1.
        deferred: whether importing the module leaves this out: it stands in a function, or is for type checkers alone.
    """

    module: str
    line: int
    deferred: bool


@dataclasses.dataclass(frozen=True)
class Module:
    """A module of ours, its file and what it imports."""

    name: str
    path: str
    imports: tuple[Import, ...]


def imports_of(tree: ast.AST, deferred: bool = False) -> Iterator[Import]:
    """Yields the imports in a syntax tree; relative ones begin with a dot."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, deferred)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield Import(base, node.lineno, deferred)
            for alias in node.names:
                yield Import(f"{base}.{alias.name}", node.lineno, deferred)
        else:
            yield from imports_of(node, deferred or _defers(node))


def modules_of(files: Files) -> dict[str, Module]:
    """Returns the modules of the distribution by full name."""
    modules = {}
    for path, tree in files.python.items():
        root = next((root for root in SOURCE_ROOTS if path.startswith(root)), None)
        if root is not None:
            name = path.removeprefix(root).removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            modules[name] = Module(name, path, tuple(imports_of(tree)))
    return modules


def loaded_with(start: str, modules: Mapping[str, Module]) -> Iterator[tuple[Module, Import]]:
    """Yields each import that is executed when a module is imported, its own and those of all that it loads.

    Args:
        start: name of the module to begin with.
        modules: our modules by name; imports of others are yielded, but not followed.
    """
    waiting, seen = deque(_with_packages(start, modules)), set()
    while waiting:
        name = waiting.popleft()
        if name in seen:
            continue
        seen.add(name)
        for found in modules[name].imports:
            if not found.deferred:
                yield modules[name], found
                waiting.extend(_with_packages(found.module, modules))


def _with_packages(name: str, modules: Mapping[str, Module]) -> list[str]:
    parts = name.split(".")
    packages = (".".join(parts[:end]) for end in range(1, len(parts) + 1))
    return [package for package in packages if package in modules]


def _defers(node: ast.AST) -> bool:
    if isinstance(node, ast.If):
        return "TYPE_CHECKING" in ast.unparse(node.test)
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)

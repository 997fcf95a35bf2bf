"""Code that no longer fits a head."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from repo_checks.files import Files, Finding

MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 60


def long_modules(files: Files) -> Iterator[Finding]:
    """Python files over `MAX_MODULE_LINES`."""
    for path in files.python:
        count = len(files.texts[path].splitlines())
        if count > MAX_MODULE_LINES:
            yield Finding(path, 0, f"{count} lines, at most {MAX_MODULE_LINES}")


def long_functions(files: Files) -> Iterator[Finding]:
    """Functions over `MAX_FUNCTION_LINES`."""
    for path, tree in files.python.items():
        for node in ast.walk(tree):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            count = node.end_lineno - node.lineno + 1
            if count > MAX_FUNCTION_LINES:
                yield Finding(path, node.lineno, f"{node.name} has {count} lines, at most {MAX_FUNCTION_LINES}")

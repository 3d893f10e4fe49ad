"""A package imports only packages that are below it in the list of docs/architecture.md."""

import ast
import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCE = REPOSITORY / "metaflow_extensions" / "fasts3"
PACKAGE = ("metaflow_extensions", "fasts3")
PAGE = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
ORDER = re.findall(r"^(\w+) +\S", re.search(r"```text\n(.*?)```", PAGE, re.DOTALL)[1], re.MULTILINE)
# Of the standard library and each other, when they are imported: what a worker starts with.
FOR_WORKERS = ("machine", "wire", "plans", "workers")
FILES = sorted(SOURCE.rglob("*.py"))


def layer_of(file: Path) -> str:
    return file.relative_to(SOURCE).parts[0].removesuffix(".py")


def names_of(node: ast.AST, file: Path) -> "list[tuple[str, ...]]":
    """The modules, or names in them, that a statement imports."""
    if isinstance(node, ast.Import):
        return [tuple(alias.name.split(".")) for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        above = (*PACKAGE, *file.relative_to(SOURCE).parts)[: -node.level] if node.level else ()
        module = (*above, *(node.module or "").split("."))
        return [(*filter(None, module), alias.name) for alias in node.names]
    return []


def layers_imported_by(file: Path) -> "set[str]":
    names = [name for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) for name in names_of(node, file)]
    return {name[2] for name in names if name[:2] == PACKAGE}


def is_for_type_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def imported_at_once(file: Path) -> "set[str]":
    """The first parts of the modules that are imported with a file, and not by a function of it."""
    todo: list[ast.AST] = [ast.parse(file.read_text(encoding="utf-8"))]
    found = set()
    while todo:
        node = todo.pop()
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and not is_for_type_checkers(node):
            found |= {name[2] if name[:2] == PACKAGE else name[0] for name in names_of(node, file)}
            todo.extend(ast.iter_child_nodes(node))
    return found


def test_the_page_lists_every_package_once():
    assert sorted(ORDER) == sorted({layer_of(file) for file in FILES})


@pytest.mark.parametrize("layer", ORDER)
def test_a_package_imports_only_those_below(layer):
    allowed = set(ORDER[ORDER.index(layer) :])
    upward = {
        str(file.relative_to(SOURCE)): layers_imported_by(file) - allowed for file in FILES if layer_of(file) == layer
    }
    assert {file: layers for file, layers in upward.items() if layers} == {}


def test_the_start_of_a_worker_imports_neither_boto3_nor_metaflow():
    strangers = {"api", "boto", "boto3", "botocore", "urllib3", "metaflow"}
    found = {
        str(file.relative_to(SOURCE)): imported_at_once(file) & strangers
        for file in FILES
        if layer_of(file) in FOR_WORKERS
    }
    assert {file: names for file, names in found.items() if names} == {}

"""The security page names the tests of each guarantee: they exist, and no test of attacks or secrets is missing."""

import ast
import re
from functools import cache
from pathlib import Path

from docs.pages import REPOSITORY

TESTS = REPOSITORY / "tests"
PAGE, _, _ = (REPOSITORY / "docs" / "security.md").read_text(encoding="utf-8").partition("## Long runs")
# Cells of the tables that have the column `verified by`.
GUARANTEES = re.findall(r"^\| (?!guarantee \|)(.+?) \| (`.+`) \|$", PAGE, re.MULTILINE)
NAMED = {name for _, cell in GUARANTEES for name in re.findall(r"`([^`]+)`", cell)}

# Tests of security: all of these files, and every test with such a name. tests/servers is about the tests' own servers.
FILES = [*sorted((TESTS / "attacks").glob("test_*.py")), TESTS / "processes" / "test_secrets.py"]
FUNCTIONS = re.compile(
    r"no_secret|secrets_are_(not|concealed|known_from)|secret_is_(in|never|not)|password|steer|neighbour"
)
ELSEWHERE = "servers"


@cache
def defined_in(file: Path) -> "frozenset[str]":
    """Names of the tests that a file defines, without importing it."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return frozenset(
        node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    )


def security_tests() -> "set[str]":
    """Ids of all tests that the page has to name."""
    found = {f"{file.relative_to(TESTS)}::{name}" for file in FILES for name in defined_in(file)}
    for file in TESTS.rglob("test_*.py"):
        name = str(file.relative_to(TESTS))
        if not name.startswith(ELSEWHERE):
            found |= {f"{name}::{test}" for test in defined_in(file) if FUNCTIONS.search(test)}
    return found


def test_every_row_of_the_page_is_read():
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| guarantee ")]
    assert len(GUARANTEES) == len(rows)


def test_named_tests_exist():
    for name in sorted(NAMED):
        file, _, test = name.partition("::")
        assert (TESTS / file).is_file(), name
        assert test in defined_in(TESTS / file) if test else defined_in(TESTS / file), name


def test_every_test_of_security_is_named():
    assert sorted(one for one in security_tests() if not {one, one.partition("::")[0]} & NAMED) == []

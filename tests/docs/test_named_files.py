"""Pages for developers name files that exist: no old name remains after a module is renamed."""

import re

import pytest
from docs.pages import REPOSITORY

SOURCE = REPOSITORY / "metaflow_extensions" / "fasts3"
PAGES = ("CONTRIBUTING.md", "docs/architecture.md", "docs/security.md")
PATH = re.compile(r"(?<![\w/.])((?:[\w.]+/)+[\w.]*|\w+\.py|\w+\.md)(?:::\w+)?")
MADE_UP = re.compile(r"/X\.py|test_X\.py|PAGE\.md")  # stand for any name
# Files that the examples of CONTRIBUTING.md make.
EXAMPLES = {"cli/exists.py", "tests/cli/test_exists.py"}
# What tools make, and what is in Metaflow's store.
NOT_FILES = ("site/", ".venv", "dist/", "s3://", "wire/X")


def named_in(page: str) -> "set[str]":
    """The paths in inline code and code blocks."""
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    code = re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text)
    return {
        path
        for piece in code
        for path in PATH.findall(piece)
        if "/" in path and path not in EXAMPLES and not MADE_UP.search(path) and not path.startswith(NOT_FILES)
    }


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_files_that_exist(page):
    roots = (SOURCE, REPOSITORY, REPOSITORY / "tests")
    assert sorted(path for path in named_in(page) if not any((root / path).exists() for root in roots)) == []


def test_the_files_to_copy_use_what_the_table_says():
    table = re.findall(
        r"^ *\|[^|]+\| `(cli/\w+\.py)` \| (.+?) \|$", (REPOSITORY / "CONTRIBUTING.md").read_text(), re.MULTILINE
    )
    assert table
    for file, names in table:
        text = (SOURCE / file).read_text()
        assert [name for name in re.findall(r"`(\w+)`", names) if not re.search(rf"\b{name}\b", text)] == [], file


@pytest.mark.parametrize("package", ["api", "cli", "wire"])
def test_the_architecture_page_names_each_module(package):
    page = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(?:[\w/]+/)?(\w+)(?:\.py)?`", page))
    assert sorted({path.stem for path in (SOURCE / package).glob("*.py")} - named - {"__init__"}) == []

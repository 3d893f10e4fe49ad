"""All pages import from the same modules."""

import re

import pytest
from docs.pages import PAGES, REPOSITORY, blocks_of

PLACES = {"metaflow", "metaflow.datatools.s3"}
FOR_TYPE_CHECKERS = {"types.md": "metaflow_extensions.fasts3.typed"}
IMPORTED = re.compile(r"^\s*(?:from|import)\s+(metaflow[\w.]*)", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_imports_from_the_one_place(page):
    used = {module for block in blocks_of(page) for module in IMPORTED.findall(block.code)}
    assert used <= PLACES | {FOR_TYPE_CHECKERS.get(page.name, "metaflow")}


def test_so_does_the_tutorial():
    text = (REPOSITORY / "docs" / "tutorial.ipynb").read_text(encoding="utf-8")
    assert set(re.findall(r'"(?:from|import) (metaflow(?:\.\w+)*)\b(?!_)', text)) == PLACES

"""docs/servers.md has the contents of `servers.lacks`, which `test_capabilities` verifies."""

import pytest
from docs.pages import REPOSITORY
from servers.capabilities import conditions, contents, copies, keys, listings, ranges, refusals, versions
from servers.capabilities.registry import CAPABILITIES
from servers.lacks import LACKS, VERSIONS
from servers.page import FEATURES, MEANINGS, differences, overview

# Each registers what it holds when it is imported.
SOURCES = (refusals, conditions, keys, contents, ranges, listings, copies, versions)
PAGE = (REPOSITORY / "docs" / "servers.md").read_text(encoding="utf-8")


def test_every_server_and_capability_is_described() -> None:
    assert VERSIONS.keys() == LACKS.keys()
    assert MEANINGS.keys() == CAPABILITIES.keys()
    assert {name for names in FEATURES.values() for name in names} <= CAPABILITIES.keys()


def test_the_page_has_the_features_of_each_server() -> None:
    assert overview() in PAGE, f"this is the table to have there:\n\n{overview()}"


@pytest.mark.parametrize("name", LACKS)
def test_the_page_has_what_a_server_does_not_do(name: str) -> None:
    section = PAGE.partition(f"\n### {VERSIONS[name]}\n")[2].partition("\n### ")[0]
    assert differences(name) in section, f"this is the table to have there:\n\n{differences(name)}"

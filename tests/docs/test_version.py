"""Pages that name the version name the one of setup.py."""

import re

from docs.pages import REPOSITORY
from version import VERSION


def test_the_changelog_has_it_below_what_is_not_released():
    text = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    unreleased, latest, *_ = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert unreleased == "Unreleased"
    assert re.fullmatch(re.escape(VERSION) + r" - \d{4}-\d\d-\d\d", latest)


def test_the_doctors_page_shows_it():
    page = (REPOSITORY / "docs" / "doctor.md").read_text(encoding="utf-8")
    assert set(re.findall(r"metaflow[ -]fasts3 +(\d\S+)", page)) == {VERSION}

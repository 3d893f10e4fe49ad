"""The API page documents all public calls."""

import re

import pytest
from docs.pages import REPOSITORY
from metaflow import S3
from metaflow.datatools.s3 import S3Object

PAGE = (REPOSITORY / "docs" / "api.md").read_text(encoding="utf-8")
NOT_FOR_USERS = {
    "TYPE",
    "get_root_from_config",
    "directory",
    "in_file",
    "in_memory",
    "listed",
    "remove_file",
    "version",
}


@pytest.mark.parametrize("what", [S3, S3Object])
def test_it_has_every_public_member_and_no_other(what):
    listed = re.search(rf"^:::.*\.{what.__name__}\n    options:\n      members:\n((?:        - \w+\n)+)", PAGE, re.M)
    assert listed
    public = {name for name in dir(what) if not name.startswith("_")} - NOT_FOR_USERS
    assert set(re.findall(r"\w+", listed[1])) == public

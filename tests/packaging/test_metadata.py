"""The metadata of the wheel: for pip, for Metaflow, and for its page on PyPI."""

import email
import re
import zipfile
from email.message import Message
from pathlib import Path

import pytest
from docs.pages import REPOSITORY
from version import VERSION

pytestmark = [pytest.mark.packaging, pytest.mark.timeout(900)]

LINK = re.compile(r"\]\(([^)\s]+)\)")


@pytest.fixture(scope="module")
def about(installed) -> "dict[str, str]":
    """The files of the wheel's metadata, by name."""
    with zipfile.ZipFile(installed["wheel"]) as wheel:
        return {Path(name).name: wheel.read(name).decode() for name in wheel.namelist() if ".dist-info/" in name}


@pytest.fixture(scope="module")
def metadata(about) -> Message:
    return email.message_from_string(about["METADATA"])


def anchors(page: Path) -> "set[str]":
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_metaflow_finds_the_extension(about):
    assert about["top_level.txt"].split() == ["metaflow_extensions"]


def test_two_packages_are_required(metadata):
    always = [line for line in metadata.get_all("Requires-Dist") if "extra" not in line]
    assert {re.split(r"[ ><=]", line)[0] for line in always} == {"metaflow", "boto3"}


def test_the_license_is_named_and_included(about, metadata):
    assert metadata["License-Expression"] == "Apache-2.0"
    assert "Apache License" in about["LICENSE"]


def test_the_version_is_that_of_setup_py(metadata):
    assert metadata["Version"] == VERSION


def test_links_of_the_description_are_absolute_and_lead_to_files_and_headings_that_exist(metadata):
    repository = metadata["Home-page"]
    at_the_tag = f"{repository}/blob/v{VERSION}/"
    links = LINK.findall(metadata.get_payload())
    assert [link for link in links if not link.startswith("https://")] == []
    ours = [link for link in links if link.startswith(repository)]
    assert len(ours) > 30
    for link in ours:
        assert link.startswith(at_the_tag), link
        path, _, anchor = link[len(at_the_tag) :].partition("#")
        assert (REPOSITORY / path).is_file(), link
        assert not anchor or anchor in anchors(REPOSITORY / path), link

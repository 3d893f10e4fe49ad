"""The page of errors lists all exceptions and remedies, and no others."""

import inspect
import re

import pytest
from docs.pages import REPOSITORY
from metaflow.exception import MetaflowException

from metaflow_extensions.fasts3.api import errors
from metaflow_extensions.fasts3.wire.connection_errors import NO_TLS

PAGE = (REPOSITORY / "docs" / "errors.md").read_text(encoding="utf-8")
WORDS = " ".join(PAGE.replace("|", " ").replace("`", "").split())
EXCEPTIONS = {
    name: found
    for name, found in inspect.getmembers(errors, inspect.isclass)
    if name.startswith("MetaflowS3") and issubclass(found, MetaflowException)
}


@pytest.mark.parametrize("name", EXCEPTIONS)
def test_every_exception_has_its_heading_and_its_headline(name):
    assert f"### {name}\n" in PAGE
    assert f"*{EXCEPTIONS[name].headline}*" in PAGE


REMEDIES = [*errors.REMEDIES.values(), *errors.REMEDIES_OF_S3_CODES.values()]


@pytest.mark.parametrize(
    "remedy",
    [
        *REMEDIES,
        errors.MAY_BE_MISSING,
        errors.MAY_CHARGE,
        errors.NOT_PUBLIC,
        errors.NO_WRITING,
        errors.SERVE_AGAIN,
        NO_TLS,
        errors.DOTS,
        errors.NO_CHECKSUMS,
        errors.CHECK_PROXY,
        errors.OTHER_REGION,
        errors.CHECK_PROFILE,
    ],
)
def test_the_page_has_every_remedy(remedy):
    assert " ".join(remedy.replace("`", "").split()) in WORDS, f"The page of errors lacks: {remedy}"


def test_the_page_has_no_other_exception():
    assert set(re.findall(r"\bMetaflowS3\w+", PAGE)) <= EXCEPTIONS.keys()

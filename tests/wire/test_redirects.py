"""Tests of redirects: which failures are some, and which region they name."""

import pytest

from metaflow_extensions.fasts3.wire.failures import Code, Failure
from metaflow_extensions.fasts3.wire.redirects import is_redirect, region_in
from metaflow_extensions.fasts3.wire.s3_errors import failure_of


def document(code, more=""):
    return f"<Error><Code>{code}</Code><Message>m</Message>{more}</Error>".encode()


REDIRECTS = {
    "301 of a HEAD": failure_of(301, {}, b""),
    "307 of a HEAD": failure_of(307, {}, b""),
    "PermanentRedirect": failure_of(301, {}, document("PermanentRedirect")),
    "TemporaryRedirect": failure_of(307, {}, document("TemporaryRedirect")),
    "308": failure_of(308, {}, b""),
    "400 of a HEAD": failure_of(400, {}, b""),
    "AuthorizationHeaderMalformed": failure_of(400, {}, document("AuthorizationHeaderMalformed")),
    "IllegalLocationConstraintException": failure_of(400, {}, document("IllegalLocationConstraintException")),
    "IncorrectEndpoint": failure_of(400, {}, document("IncorrectEndpoint")),
}
OTHERS = {
    "NoSuchKey": failure_of(404, {}, document("NoSuchKey")),
    "NoSuchBucket": failure_of(404, {}, document("NoSuchBucket")),
    "404 of a HEAD": failure_of(404, {}, b""),
    "403": failure_of(403, {}, document("SignatureDoesNotMatch")),
    "412": failure_of(412, {}, b""),
    "304": failure_of(304, {}, b""),
    "a login": failure_of(302, {}, b""),
    "416": failure_of(416, {}, b""),
    "InvalidArgument": failure_of(400, {}, document("InvalidArgument")),
    "ExpiredToken": failure_of(400, {}, document("ExpiredToken")),
    "SlowDown": failure_of(503, {}, document("SlowDown")),
    "500": failure_of(500, {}, b""),
    "no response": Failure(Code.UNREACHABLE, "connection refused"),
    "broken": Failure(Code.BROKEN, "too short", status=200),
    "no credentials": Failure(Code.NO_CREDENTIALS),
    "disk full": Failure(Code.DISK_FULL, "[Errno 28]"),
}
NAMED = {"x-amz-bucket-region": "eu-west-1"}


@pytest.mark.parametrize("failure", REDIRECTS.values(), ids=REDIRECTS)
def test_redirects(failure):
    assert is_redirect(failure)
    assert failure.region == ""


@pytest.mark.parametrize("failure", OTHERS.values(), ids=OTHERS)
def test_other_failures(failure):
    assert not is_redirect(failure)


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400])
def test_a_header_names_the_region(status):
    assert failure_of(status, NAMED, b"").region == "eu-west-1"
    assert failure_of(status, NAMED, document("PermanentRedirect")).region == "eu-west-1"


def test_the_document_names_the_region():
    malformed = document("AuthorizationHeaderMalformed", "<Region>eu-west-1</Region>")
    assert failure_of(400, {}, malformed).region == "eu-west-1"
    assert failure_of(400, {"x-amz-bucket-region": "eu-west-2"}, malformed).region == "eu-west-2"


@pytest.mark.parametrize("status", [403, 404, 503])
def test_the_region_in_the_header_of_another_failure_is_no_redirect(status):
    assert failure_of(status, NAMED, b"").region == ""
    assert failure_of(400, NAMED, document("ExpiredToken")).region == ""


@pytest.mark.parametrize(
    "region",
    ["", "elsewhere.example", "elsewhere.example/#", "eu west", "-eu", "eu-", "eu_west", "é", "eu\n", "e" * 64, "a@b"],
)
def test_a_region_must_be_valid_in_a_host_name(region):
    headers = {"x-amz-bucket-region": region}
    assert region_in(headers) == failure_of(301, headers, b"").region == ""
    if region.isprintable():
        assert failure_of(400, {}, document("AuthorizationHeaderMalformed", f"<Region>{region}</Region>")).region == ""


@pytest.mark.parametrize("region", ["eu-west-1", "us-gov-west-1", "garage", "auto", "US", "1-a"])
def test_regions(region):
    assert region_in({"x-amz-bucket-region": region}) == region

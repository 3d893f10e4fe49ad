from types import SimpleNamespace
from typing import Any

import pytest

from metaflow_extensions.fasts3.api.errors import REMEDIES, REMEDIES_OF_S3_CODES, MetaflowS3AccessDenied, exception_of
from metaflow_extensions.fasts3.doctor.findings import Status
from metaflow_extensions.fasts3.doctor.permissions import MOST_PAGES, OLD_UPLOAD, SEE_ABOVE, check_uploads, refused
from metaflow_extensions.fasts3.plans.jobs import Outcome
from metaflow_extensions.fasts3.wire.failures import Code, Failure
from metaflow_extensions.fasts3.wire.transfers import OpenUpload, UploadsPage

NOW = 2_000_000_000
YOUNG = OpenUpload("prefix/young", "id1", NOW - 60)
ANCIENT = OpenUpload("prefix/old", "id2", NOW - int(OLD_UPLOAD))
UNDATED = OpenUpload("prefix/none", "id3", None)


def error(code: Code, s3_code: str = "") -> Exception:
    client: Any = SimpleNamespace(identity="AKIA", endpoint_url="", proxy=None, requester_pays=False)
    return exception_of("put", "s3://bucket/key", Failure(code, "It is so.", s3_code, status=403), client)


def test_the_remedy_is_apart_from_the_message() -> None:
    found = refused(error(Code.NO_BUCKET, "NoSuchBucket"), "s3:PutObject", "arn:x")
    assert found.message.startswith("PutObject of s3://bucket/key failed: NoSuchBucket: It is so (HTTP 403,")
    assert found.message.endswith(").")
    assert found.remedy == REMEDIES[Code.NO_BUCKET]


def test_an_exception_without_a_remedy() -> None:
    found = refused(ValueError("It is so."), "s3:PutObject", "arn:x")
    assert (found.message, found.remedy) == ("It is so.", SEE_ABOVE)


@pytest.mark.parametrize(
    ("code", "s3_code", "remedy"),
    [
        (Code.ACCESS_DENIED, "SignatureDoesNotMatch", REMEDIES_OF_S3_CODES["SignatureDoesNotMatch"]),
        (Code.EXPIRED, "ExpiredToken", REMEDIES[Code.EXPIRED]),
        (Code.ACCESS_DENIED, "AccessDenied", "Allow s3:PutObject on arn:x for these credentials."),
        (Code.UNREACHABLE, "", REMEDIES[Code.UNREACHABLE]),
        (Code.BUSY, "SlowDown", SEE_ABOVE),
    ],
)
def test_each_refusal_has_its_remedy(code: Code, s3_code: str, remedy: str) -> None:
    found = refused(error(code, s3_code), "s3:PutObject", "arn:x")
    assert (found.status, found.remedy) == (Status.PROBLEM, remedy)


@pytest.mark.parametrize(
    ("pages", "status", "message", "figures"),
    [
        ([[]], Status.OK, "below s3://bucket/prefix: none.", {"open": 0}),
        ([[YOUNG, UNDATED]], Status.OK, "2, none older than a day", {"open": 2}),
        ([[YOUNG], [ANCIENT, YOUNG]], Status.WARNING, "3, 1 of them older than a day", {"open": 3, "old": 1}),
        ([[ANCIENT]] * (MOST_PAGES + 1), Status.WARNING, f"at least {MOST_PAGES}", None),
    ],
    ids=["none", "young ones", "two pages", "a great many"],
)
def test_open_uploads_are_counted(context_of, monkeypatch, pages, status, message, figures):
    context = context_of()
    left = [UploadsPage(page, ["k", str(number)], NOW) for number, page in enumerate(pages)]
    left[-1] = left[-1]._replace(after=None)
    requests = []

    def run(plan):
        [job] = plan.start()
        requests.append((job.operation, job.bucket, job.key, job.arguments["after"]))
        plan.receive(job, Outcome(job.number, left.pop(0)))

    monkeypatch.setattr(context, "run", run)
    finding = check_uploads(context)
    assert (finding.status, message in finding.message) == (status, True)
    assert figures is None or finding.figures == figures
    assert ("metaflow fasts3 uploads s3://bucket/prefix --older-than 1d" in finding.remedy) == (status is not Status.OK)
    assert (
        requests[:2]
        == [
            ("list_uploads", "bucket", "prefix/", None),
            ("list_uploads", "bucket", "prefix/", ["k", "0"]),
        ][: len(requests)]
    )


def test_the_missing_permission_to_list_uploads_is_named(context_of, monkeypatch):
    context, error = context_of(), MetaflowS3AccessDenied("no")
    error.status, error.s3_code = 403, "AccessDenied"

    def refuse(_):
        raise error

    monkeypatch.setattr(context, "run", refuse)
    finding = check_uploads(context)
    assert finding.status is Status.SKIPPED
    assert "(HTTP 403 AccessDenied). This requires s3:ListBucketMultipartUploads" in finding.message

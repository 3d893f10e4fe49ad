"""Tests of the check for open multipart uploads."""

import pytest

from metaflow_extensions.fasts3.api.errors import MetaflowS3AccessDenied
from metaflow_extensions.fasts3.doctor.findings import Status
from metaflow_extensions.fasts3.doctor.open_uploads import MOST_PAGES, OLD, check_uploads
from metaflow_extensions.fasts3.plans.jobs import Outcome
from metaflow_extensions.fasts3.wire.transfers import OpenUpload, UploadsPage

NOW = 2_000_000_000
YOUNG = OpenUpload("prefix/young", "id1", NOW - 60)
ANCIENT = OpenUpload("prefix/old", "id2", NOW - int(OLD))
UNDATED = OpenUpload("prefix/none", "id3", None)


@pytest.mark.parametrize(
    ("pages", "status", "told", "figures"),
    [
        ([[]], Status.OK, "below s3://bucket/prefix: none.", {"open": 0}),
        ([[YOUNG, UNDATED]], Status.OK, "2, none older than a day", {"open": 2}),
        ([[YOUNG], [ANCIENT, YOUNG]], Status.WARNING, "3, 1 of them older than a day", {"open": 3, "old": 1}),
        ([[ANCIENT]] * (MOST_PAGES + 1), Status.WARNING, f"at least {MOST_PAGES}", None),
    ],
    ids=["none", "young ones", "two pages", "a great many"],
)
def test_open_uploads_are_counted(subject_of, monkeypatch, pages, status, told, figures):
    subject = subject_of()
    left = [UploadsPage(page, ["k", str(number)], NOW) for number, page in enumerate(pages)]
    left[-1] = left[-1]._replace(after=None)
    asked = []

    def run(plan):
        [job] = plan.start()
        asked.append((job.operation, job.bucket, job.key, job.arguments["after"]))
        plan.receive(job, Outcome(job.number, left.pop(0)))

    monkeypatch.setattr(subject, "run", run)
    finding = check_uploads(subject)
    assert (finding.status, told in finding.told) == (status, True)
    assert figures is None or finding.figures == figures
    assert ("metaflow fasts3 uploads s3://bucket/prefix --older-than 1d" in finding.remedy) == (status is not Status.OK)
    assert (
        asked[:2]
        == [
            ("list_uploads", "bucket", "prefix/", None),
            ("list_uploads", "bucket", "prefix/", ["k", "0"]),
        ][: len(asked)]
    )


def test_who_may_not_list_them_is_told_what_it_needs(subject_of, monkeypatch):
    subject, error = subject_of(), MetaflowS3AccessDenied("no")
    error.status, error.s3_code = 403, "AccessDenied"

    def refuse(_):
        raise error

    monkeypatch.setattr(subject, "run", refuse)
    finding = check_uploads(subject)
    assert finding.status is Status.SKIPPED
    assert "(HTTP 403 AccessDenied); it needs s3:ListBucketMultipartUploads" in finding.told

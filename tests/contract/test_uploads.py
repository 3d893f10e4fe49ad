"""`S3.iter_uploads` and `S3.abort_uploads`: open multipart uploads."""

import time

import pytest
from metaflow.datatools.s3 import MetaflowS3AccessDenied, MetaflowS3Exception, MetaflowS3URLException

from metaflow_extensions.fasts3.wire.failures import Code, Failure, TransferError
from metaflow_extensions.fasts3.workers.performer import Performer

pytestmark = pytest.mark.needs("list-uploads")


@pytest.fixture
def begun(stored):
    """The ids of open uploads by their keys."""
    ids = {}
    for key in ("data", "data/a", "data/b/c", "data2"):
        ids[key] = stored.client.create_multipart_upload(Bucket=stored.bucket, Key=stored.prefix + key)["UploadId"]
    yield ids
    for key, upload_id in ids.items():
        if upload_id in stored.open_uploads():
            stored.client.abort_multipart_upload(Bucket=stored.bucket, Key=stored.prefix + key, UploadId=upload_id)


def named(root, begun, *keys):
    return sorted((f"{root}/{key}", begun[key]) for key in keys)


def found(uploads):
    return sorted((one.url, one.upload_id) for one in uploads)


@pytest.mark.needs("list-uploads-below-an-upload")
def test_a_key_selects_its_object_and_what_is_below_it(s3, bare, root, begun):
    assert found(s3.iter_uploads()) == named(root, begun, *begun)
    assert found(s3.iter_uploads(["data"])) == named(root, begun, "data", "data/a", "data/b/c")
    assert found(s3.iter_uploads(["data/"])) == named(root, begun, "data/a", "data/b/c")
    assert found(s3.iter_uploads(["data/b/c", "data2"])) == named(root, begun, "data/b/c", "data2")
    assert found(bare.iter_uploads([f"{root}/data2"])) == named(root, begun, "data2")
    assert found(s3.iter_uploads(["dat"])) == []


def test_when_they_were_begun(s3, begun, stored):
    rows = stored.client.list_multipart_uploads(Bucket=stored.bucket, Prefix=stored.prefix)["Uploads"]
    times = {row["UploadId"]: int(row["Initiated"].timestamp()) for row in rows}  # those of moto are always the same
    for one in s3.iter_uploads():
        assert one.initiated == times[one.upload_id]
        assert one.age == pytest.approx(time.time() - one.initiated, abs=3600)


def test_the_given_ones_are_aborted(s3, root, begun, stored):
    assert s3.abort_uploads(s3.iter_uploads(["data"])) == 3
    assert stored.open_uploads() == [begun["data2"]]
    assert s3.abort_uploads([]) == 0


def test_refused_uploads_are_named_and_the_others_are_aborted(s3, root, begun, stored, monkeypatch):
    real = Performer._call_transfers

    def attempt(performer, job, *given):
        if job.operation == "abort_upload" and job.key.endswith(("data/a", "data2")):
            raise TransferError(Failure(Code.ACCESS_DENIED, "no", "AccessDenied", 403))
        return real(performer, job, *given)

    uploads = list(s3.iter_uploads())
    with monkeypatch.context() as patched:
        patched.setattr(Performer, "_call_transfers", attempt)
        with pytest.raises(MetaflowS3AccessDenied) as refused:
            s3.abort_uploads(uploads)
    names = {f"{root}/{key} (upload id {begun[key]})" for key in ("data/a", "data2")}
    assert refused.value.failed == dict.fromkeys(names, "AccessDenied: no")
    assert all(name in str(refused.value) for name in names)
    assert sorted(stored.open_uploads()) == sorted(begun[key] for key in ("data/a", "data2"))


def test_invalid_arguments_raise_at_once(s3, bare):
    for call in (lambda: s3.iter_uploads(["s3://bucket/full"]), bare.iter_uploads, lambda: s3.iter_uploads("a")):
        with pytest.raises(MetaflowS3URLException):
            call()
    with pytest.raises(MetaflowS3Exception, match="must be one of iter_uploads, not 'id'"):
        s3.abort_uploads(["id"])

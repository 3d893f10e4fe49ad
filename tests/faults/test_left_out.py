"""A failed object does not stop a directory: the others are transferred, and one error names the skipped ones."""

import pytest
from contract.content import noise
from metaflow.datatools.s3 import MetaflowS3AccessDenied, MetaflowS3Exception, MetaflowS3NotFound
from servers import faults

from metaflow_extensions.fasts3.api.partial_downloads import PARTIAL
from metaflow_extensions.fasts3.plans import object_downloads, refusals
from metaflow_extensions.fasts3.plans.pieces import PART_SIZE

SMALL = {f"m/{number:02}": b"%d" % number for number in range(20)}
LARGE = noise(2 * PART_SIZE + 5)
REFUSALS = {
    "m/archived": (403, "InvalidObjectState"),
    "m/gone": (404, "NoSuchKey"),
    "m/secret": (403, "AccessDenied"),
    "m/unsupported": (400, "InvalidRequest"),
}


def of(key):
    return lambda request: request.key.endswith(f"/{key}") and request.operation != "ListObjectsV2"


def of_a_piece(request):
    """A range of an object whose beginning was given."""
    return request.key.endswith("/m/half") and request.headers.get("if-match", "") != ""


def files_in(folder):
    """The files, without partial files."""
    return {
        path.relative_to(folder.parent).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.parent.name.startswith(PARTIAL)
    }


def test_a_download(world, monkeypatch):
    monkeypatch.setattr(object_downloads, "processors", lambda: 8)  # so that no first response brings all of an object
    world.stored.put_all({**SMALL, "m/large": LARGE, "m/half": LARGE, **dict.fromkeys(REFUSALS, b"no")})
    for key, refusal in REFUSALS.items():
        world.proxy.inject_where(of(key), faults.error(*refusal), times=None)
    world.proxy.inject_where(of_a_piece, faults.error(403, "AccessDenied"), times=None)
    with pytest.raises(MetaflowS3Exception, match="5 of 26 objects were not downloaded") as raised:
        world.s3.download("m", world.folder / "m")
    assert set(raised.value.failed) == {f"{world.root}/{key}" for key in [*REFUSALS, "m/half"]}
    assert all(f"{world.root}/{key}: {code}" in str(raised.value) for key, (_, code) in REFUSALS.items())
    assert files_in(world.folder / "m") == {**SMALL, "m/large": LARGE}
    assert world.left_behind() == []


def test_one_kind_of_refusal_is_of_its_class(world):
    world.stored.put_all(SMALL)
    world.proxy.inject_where(of("m/03"), faults.error(403, "AccessDenied"), times=None)
    for there in (19, 20):  # the second time, an equal size causes a HEAD
        with pytest.raises(MetaflowS3AccessDenied, match=r"GetObject of s3://.*/m/03 failed: AccessDenied") as raised:
            world.s3.download("m", world.folder / "m")
        assert list(raised.value.failed) == [f"{world.root}/m/03"]
        assert len(files_in(world.folder / "m")) == there
        (world.folder / "m" / "03").write_bytes(SMALL["m/03"])


@pytest.mark.parametrize("refusal", [(404, "NoSuchBucket"), (400, "ExpiredToken")])
def test_a_failure_that_affects_all_ends_the_call(world, refusal):
    world.stored.put_all(SMALL)
    world.proxy.inject("GetObject", faults.error(*refusal), times=None)
    with pytest.raises((MetaflowS3NotFound, MetaflowS3AccessDenied), match=f"failed: {refusal[1]}"):
        world.s3.download("m", world.folder / "m")
    assert files_in(world.folder / "m") == {}


def test_a_server_that_fails_for_good_is_given_up(world, monkeypatch):
    monkeypatch.setattr(refusals, "MOST_IN_A_ROW", 2)
    world.stored.put_all(SMALL)
    world.proxy.inject("GetObject", faults.error(500, "InternalError"), times=None)
    monkeypatch.setattr("metaflow.metaflow_config.S3_RETRY_COUNT", 0)
    monkeypatch.setattr("metaflow.metaflow_config.S3_TRANSIENT_RETRY_COUNT", 0)
    with pytest.raises(MetaflowS3Exception, match=r"GetObject .* failed: InternalError"):
        world.s3.download("m", world.folder / "m")


def test_an_upload(world):
    local = world.folder / "m"
    local.mkdir()
    for key, body in {**SMALL, "m/large": LARGE, "m/half": LARGE, **dict.fromkeys(REFUSALS, b"no")}.items():
        (world.folder / key).write_bytes(body)
    world.stored.put("m/00", SMALL["m/00"])
    refused = {"m/archived": (403, "AccessDenied"), "m/unsupported": (400, "InvalidRequest")}
    for key, refusal in refused.items():
        world.proxy.inject_where(of(key), faults.error(*refusal), times=None)  # of its header as well
    world.proxy.inject_where(
        lambda request: request.key.endswith("/m/half") and request.operation == "UploadPart",
        faults.error(403, "AccessDenied"),
        times=None,
    )
    with pytest.raises(MetaflowS3Exception, match="3 of 26 files were not uploaded") as raised:
        world.s3.upload(local, "m")
    assert set(raised.value.failed) == {str(world.folder / key) for key in [*refused, "m/half"]}
    assert world.stored.list() == {*SMALL, "m/large", "m/gone", "m/secret"}
    assert world.stored.blob("m/large") == LARGE
    aborted = [request.key for request in world.proxy.requests if request.operation == "AbortMultipartUpload"]
    assert len(aborted) == 1
    assert aborted[0].endswith("/m/half")


def test_an_upload_that_no_file_would_survive(world):
    local = world.folder / "m"
    local.mkdir()
    for key, body in SMALL.items():
        (world.folder / key).write_bytes(body)
    world.proxy.inject("PutObject", faults.error(404, "NoSuchBucket"), times=None)
    with pytest.raises(MetaflowS3NotFound, match=r"PutObject .* failed: NoSuchBucket"):
        world.s3.upload(local, "m")


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_mirror_deletes_nothing_after_a_refusal(world, overwrite):
    world.stored.put_all({**SMALL, "m/archived": b"no"})
    world.proxy.inject_where(of("m/archived"), faults.error(*REFUSALS["m/archived"]), times=None)
    local = world.folder / "m"
    local.mkdir()
    (local / "extra").write_bytes(b"extra")
    with pytest.raises(MetaflowS3Exception, match="InvalidObjectState"):
        world.s3.download("m", local, overwrite=overwrite, delete=True)
    assert files_in(local) == {**SMALL, "m/extra": b"extra"}

    (local / "archived").write_bytes(b"another")
    world.stored.put("m/more", b"more")
    world.proxy.remove_faults()
    world.proxy.inject("PutObject", faults.error(403, "AccessDenied"), times=None)
    with pytest.raises(MetaflowS3AccessDenied):
        world.s3.upload(local, "m", overwrite=overwrite, delete=True)
    assert "m/more" in world.stored.list()


def test_objects_that_can_t_be_deleted_are_named(world):
    local = world.folder / "m"
    local.mkdir()
    (local / "00").write_bytes(SMALL["m/00"])
    world.stored.put("m/locked", b"stays")
    world.proxy.inject("DeleteObject", faults.error(403, "AccessDenied"), times=None)
    with pytest.raises(MetaflowS3AccessDenied, match=r"DeleteObject of s3://.*/m/locked failed") as raised:
        world.s3.upload(local, "m", delete=True)
    assert list(raised.value.failed) == [f"{world.root}/m/locked"]
    assert world.stored.blobs() == {"m/00": SMALL["m/00"], "m/locked": b"stays"}

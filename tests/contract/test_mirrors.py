"""`download(delete=True)` and `upload(delete=True)`: the destination has what the source has, and nothing else."""

import os

import pytest
from contract.trees import TREE, tree_of, write
from metaflow.datatools.s3 import MetaflowS3Exception, MetaflowS3NotFound, MetaflowS3URLException

from metaflow_extensions.fasts3.api import directories, directory_walk, mirrors

EXTRA = {"1.txt": b"extra", "b/c/3.bin": b"extra", "d/e": b"extra"}


def below(stored, prefix):
    return {key[len(prefix) :]: stored.blob(key) for key in stored.list() if key.startswith(prefix)}


@pytest.mark.usefixtures("remote")
def test_a_directory_becomes_a_mirror(s3, tmp_path):
    write(tmp_path / "d", EXTRA)
    assert len(s3.download("m", tmp_path / "d", delete=True)) == len(TREE)
    assert tree_of(tmp_path / "d") == TREE
    assert not (tmp_path / "d" / "d").exists()
    s3.download("m", tmp_path / "d", delete=True)
    assert tree_of(tmp_path / "d") == TREE


@pytest.mark.needs("bulk-delete-leaves-nothing")
def test_a_prefix_becomes_a_mirror(s3, root, local, stored):
    stored.put_all({f"m/{name}": blob for name, blob in EXTRA.items()})
    stored.put_all({"m2/x": b"", "m.x": b"", "n/0.txt": b""})
    assert [key for key, _ in s3.upload(local, "m", delete=True)] == [f"m/{name}" for name in sorted(TREE)]
    assert below(stored, "m/") == TREE
    assert stored.list() == {*(f"m/{name}" for name in TREE), "m2/x", "m.x", "n/0.txt"}
    stored.put("m/extra", b"")
    assert s3.upload(local, "m", delete=True) == []
    assert below(stored, "m/") == TREE


def test_the_root_and_full_urls(make_s3, bare, root, local, stored):
    for upload in (
        lambda: bare.upload(local, f"{root}/m", delete=True),
        lambda: bare.upload(local, f"{root}/m/", delete=True),
        lambda: make_s3(s3root=f"{root}/m").upload(local, delete=True),
    ):
        stored.put_all({"m/extra": b"", "other": b""})
        upload()
        assert stored.list() == {*(f"m/{name}" for name in TREE), "other"}


def test_many_objects_and_files(s3, tmp_path, stored):
    write(tmp_path / "up", {f"{number % 7}/{number}": b"%d" % number for number in range(60)})
    s3.upload(tmp_path / "up", "m")
    s3.download("m", tmp_path / "down")
    for number in range(0, 60, 2):
        (tmp_path / "up" / f"{number % 7}" / f"{number}").unlink()
    write(tmp_path / "up", {"1/1": b"changed", "new": b"new"})
    assert {key for key, _ in s3.upload(tmp_path / "up", "m", delete=True)} == {"m/1/1", "m/new"}
    assert below(stored, "m/") == tree_of(tmp_path / "up")
    s3.download("m", tmp_path / "down", delete=True)
    assert tree_of(tmp_path / "down") == tree_of(tmp_path / "up")


@pytest.mark.usefixtures("remote")
def test_excluded_files_are_kept(s3, local, tmp_path, stored):
    stored.put_all({"m/x.log": b"1", "m/b/y.log": b"2", "m/x.csv": b"3"})
    s3.upload(local, "m", exclude="*.log", delete=True)
    assert below(stored, "m/") == {**TREE, "x.log": b"1", "b/y.log": b"2"}
    s3.upload(local, "m", include=["*.csv", "x*"], exclude="b/*", delete=True, allow_empty=True)
    assert below(stored, "m/") == {**TREE, "b/y.log": b"2"}

    write(tmp_path / "d", {"z.log": b"1", "b/z.csv": b"2", "z.csv": b"3"})
    assert [one.key for one in s3.download("m", tmp_path / "d", include="*.csv", exclude="0*", delete=True)] == [
        "b/1.csv"
    ]
    assert tree_of(tmp_path / "d") == {"z.log": b"1", "b/1.csv": b"1,1"}


@pytest.mark.usefixtures("remote")
def test_patterns_choose_objects(s3, tmp_path):
    def names(**patterns):
        folder = tmp_path / str(hash(str(patterns)))
        found = [one.key for one in s3.download("m", folder, **patterns)]
        assert sorted(tree_of(folder) if folder.exists() else []) == found
        return found

    assert names(include="*.csv") == ["b/1.csv"]
    assert names(exclude=["b/*", "empty"]) == ["0.txt"]
    assert names(include=iter(["b/*"]), exclude=iter(["*.bin"])) == ["b/1.csv"]
    assert names(include=[]) == []


@pytest.mark.usefixtures("remote")
def test_without_overwrite_what_is_there_stays_and_what_is_extra_goes(s3, local, tmp_path, stored):
    write(tmp_path / "d", {"0.txt": b"mine", **EXTRA})
    s3.download("m", tmp_path / "d", overwrite=False, delete=True)
    assert tree_of(tmp_path / "d") == {**TREE, "0.txt": b"mine"}
    write(local, {"0.txt": b"mine"})
    stored.put("m/extra", b"")
    s3.upload(local, "m", overwrite=False, delete=True)
    assert below(stored, "m/") == TREE


@pytest.mark.needs("object-beside-prefix")
def test_no_file_is_deleted_if_an_object_can_t_be_a_file(s3, root, stored, tmp_path):
    stored.put_all({"m/a": b"no", "m/a/b": b"1"})
    write(tmp_path, EXTRA)
    with pytest.raises(MetaflowS3URLException) as raised:
        s3.download("m", tmp_path, delete=True)
    assert list(raised.value.failed) == [f"{root}/m/a"]
    assert tree_of(tmp_path) == {**EXTRA, "a/b": b"1"}


def test_no_object_is_deleted_if_files_can_t_be_uploaded(s3, local, stored):
    stored.put("m/extra", b"extra")
    (local / "broken").symlink_to("nowhere")
    (local / "broken too").symlink_to("nowhere")
    with pytest.raises(MetaflowS3NotFound, match=r"2 of 6 files were not uploaded\. Nothing was deleted\. The first"):
        s3.upload(local, "m", delete=True)
    assert below(stored, "m/") == {**TREE, "extra": b"extra"}
    s3.upload(local, "m", exclude="broken*", delete=True)
    assert below(stored, "m/") == TREE


def test_an_empty_source_deletes_only_with_allow_empty(s3, stored, tmp_path):
    (tmp_path / "empty").mkdir()
    stored.put("m/a", b"1")
    for given in ({}, {"include": "*.typo"}):
        with pytest.raises(MetaflowS3Exception, match=r"has nothing to transfer, so a mirror .* add allow_empty=True"):
            s3.upload(tmp_path / "empty", "m", delete=True, **given)
    assert below(stored, "m/") == {"a": b"1"}
    assert s3.upload(tmp_path / "empty", "m", delete=True, allow_empty=True) == []
    assert stored.list() == set()

    write(tmp_path / "d", EXTRA)
    with pytest.raises(MetaflowS3NotFound, match="No objects under"):
        s3.download("m", tmp_path / "d", delete=True)
    stored.put("m/a", b"1")
    with pytest.raises(MetaflowS3Exception, match="has nothing to transfer, so a mirror"):
        s3.download("m", tmp_path / "d", include="*.typo", delete=True)
    with pytest.raises(MetaflowS3NotFound, match="No objects under"):
        s3.download(["m", "none"], tmp_path / "d", delete=True)
    assert tree_of(tmp_path / "d") == {**EXTRA, "a": b"1"}
    assert [one.key for one in s3.download(["m", "none"], tmp_path / "d", delete=True, allow_empty=True)] == ["a"]
    assert tree_of(tmp_path / "d") == {"a": b"1"}
    assert s3.download("none", tmp_path / "d", delete=True, allow_empty=True) == []
    assert tree_of(tmp_path / "d") == {}


@pytest.mark.needs("trailing-slash-keys")
@pytest.mark.semantics
def test_objects_that_stand_for_directories_are_nothing_to_transfer(s3, stored, tmp_path):
    stored.put_all({"m/": b"", "m/sub/": b"", "n/": b"", "c/a": b"1"})
    write(tmp_path / "d", EXTRA)
    for call in (
        lambda: s3.download("m", tmp_path / "d", delete=True),
        lambda: s3.download("m", tmp_path / "d", delete=True, dry_run=True),
        lambda: s3.copy_recursive("n", "c", delete=True),
    ):
        with pytest.raises(MetaflowS3Exception, match="has nothing to transfer, so a mirror"):
            call()
    assert tree_of(tmp_path / "d") == EXTRA
    assert below(stored, "c/") == {"a": b"1", "": b""}
    assert s3.download("m", tmp_path / "d", delete=True, allow_empty=True) == []
    assert tree_of(tmp_path / "d") == {}


def test_without_delete_an_empty_prefix_may_be_allowed_too(s3, tmp_path):
    assert s3.download("none", tmp_path / "d", allow_empty=True) == []
    assert not (tmp_path / "d").exists()


def test_no_whole_bucket(make_s3, bare, local, own_bucket):
    own_bucket.put("precious", b"1")
    for upload in (
        lambda: bare.upload(local, f"s3://{own_bucket.bucket}", delete=True),
        lambda: bare.upload(local, f"s3://{own_bucket.bucket}/", delete=True),
        lambda: make_s3(s3root=f"s3://{own_bucket.bucket}").upload(local, delete=True),
        lambda: make_s3(s3root=f"s3://{own_bucket.bucket}").upload(local, "", delete=True),
        lambda: make_s3(s3root=f"s3://{own_bucket.bucket}").upload(local, "/", delete=True),
    ):
        with pytest.raises(MetaflowS3URLException, match="whole bucket"):
            upload()
    assert own_bucket.list() == {"precious"}


def test_a_wrong_directory_or_prefix_raises_first(s3, bare, local, stored):
    stored.put("m/a", b"1")
    with pytest.raises(MetaflowS3NotFound, match="is not a local directory"):
        s3.upload(local / "none", "m", delete=True)
    with pytest.raises(MetaflowS3URLException, match="No key was given"):
        bare.upload(local, delete=True)
    assert stored.list() == {"m/a"}


def test_files_that_others_add_meanwhile_stay(s3, local, stored, tmp_path, monkeypatch):
    """The destination is listed first, so later files are not known."""
    stored.put_all({"m/extra": b"", "m/0.txt": b""})
    entries_in = directory_walk.entries_in

    def later(*arguments):
        stored.put("m/new", b"theirs")
        return entries_in(*arguments)

    monkeypatch.setattr(directory_walk, "entries_in", later)
    s3.upload(local, "m", delete=True)
    assert below(stored, "m/") == {**TREE, "new": b"theirs"}

    write(tmp_path / "d", {"extra": b"", "changed": b""})
    fetch = directories.FileDownload.fetch

    def meanwhile(*arguments):
        write(tmp_path / "d", {"mine": b"new", "changed": b"new"})
        return fetch(*arguments)

    monkeypatch.setattr(directories.FileDownload, "fetch", meanwhile)
    s3.download("m", tmp_path / "d", delete=True)
    assert tree_of(tmp_path / "d") == {**below(stored, "m/"), "mine": b"new", "changed": b"new"}


def test_a_new_file_keeps_its_object(s3, local, stored, monkeypatch):
    stored.put_all({"m/late": b"object", "m/extra": b""})
    others = mirrors.StoredDestination.others

    def first(self, *arguments):
        write(local, {"late": b"file"})
        return others(self, *arguments)

    monkeypatch.setattr(mirrors.StoredDestination, "others", first)
    s3.upload(local, "m", delete=True)
    assert below(stored, "m/") == {**TREE, "late": b"object"}


@pytest.mark.needs("conditional-bulk-deletions")
def test_an_object_that_is_replaced_meanwhile_stays(s3, local, stored, monkeypatch):
    stored.put_all({"m/extra": b"", "m/gone": b"", "m/replaced": b""})
    others = mirrors.StoredDestination.others

    def meanwhile(self, *arguments):
        found = others(self, *arguments)
        stored.put("m/replaced", b"theirs")
        stored.delete("m/gone")
        return found

    monkeypatch.setattr(mirrors.StoredDestination, "others", meanwhile)
    found = s3.upload(local, "m", delete=True)
    assert [url.rpartition("/")[2] for url in found.deleted] == ["extra", "gone"]
    assert below(stored, "m/") == {**TREE, "replaced": b"theirs"}


def test_temporary_files_of_a_client_stay(make_s3, root, stored, tmp_path):
    stored.put("m/a", b"1")
    s3 = make_s3(s3root=root, tmproot=str(tmp_path))
    path = s3.get("m/a").path
    s3.download("m", tmp_path, delete=True)
    assert os.path.exists(path)

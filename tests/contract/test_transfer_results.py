"""The results of `S3.download` and `S3.upload`: unchanged and deleted items, also of dry runs."""

import os

import pytest
from contract.trees import TREE, tree_of, write
from metaflow.datatools.s3 import (
    MetaflowS3Exception,
    MetaflowS3InvalidObject,
    MetaflowS3NotFound,
    MetaflowS3URLException,
)


def below(stored, prefix):
    return {key[len(prefix) :]: stored.blob(key) for key in stored.list() if key.startswith(prefix)}


def keys(objects):
    return [one.key for one in objects]


def names(pairs):
    return [key.partition("/")[2] for key, _ in pairs]


# --- Downloads.


@pytest.mark.usefixtures("remote")
def test_results_of_downloads_count_kept_and_deleted_files(s3, stored, tmp_path):
    found = s3.download("m", tmp_path / "d")
    assert (keys(found), found.unchanged, found.deleted) == (sorted(TREE), [], [])
    assert [one.etag for one in found] == [stored.head(f"m/{name}")["ETag"] for name in sorted(TREE)]
    stored.put("m/0.txt", b"newer")
    write(tmp_path / "d", {"extra": b"", "x/y": b""})
    found = s3.download("m", tmp_path / "d", delete=True)
    assert keys(found) == sorted(TREE)
    assert keys(found.unchanged) == [name for name in sorted(TREE) if name != "0.txt"]
    assert found.deleted == [str(tmp_path / "d" / "extra"), str(tmp_path / "d" / "x" / "y")]
    assert {one.key: one.size for one in found} == {**{name: len(blob) for name, blob in TREE.items()}, "0.txt": 5}


@pytest.mark.usefixtures("remote")
def test_downloads_without_comparison_or_overwriting(s3, tmp_path):
    write(tmp_path, {"0.txt": b"mine"})
    found = s3.download("m", tmp_path, overwrite=False)
    assert (keys(found), keys(found.unchanged)) == (sorted(TREE), ["0.txt"])
    found = s3.download("m", tmp_path, compare=False, overwrite=False)
    assert keys(found.unchanged) == sorted(TREE)
    assert (tmp_path / "0.txt").read_bytes() == b"mine"
    found = s3.download("m", tmp_path, compare=False)
    assert (keys(found), found.unchanged) == (sorted(TREE), [])
    assert tree_of(tmp_path) == TREE


@pytest.mark.usefixtures("remote")
def test_a_dry_run_writes_nothing(s3, tmp_path):
    found = s3.download("m", tmp_path / "d", dry_run=True)
    assert [(one.key, one.path) for one in found] == [(name, str(tmp_path / "d" / name)) for name in sorted(TREE)]
    assert not (tmp_path / "d").exists()
    s3.download("m", tmp_path / "d", exclude="0*")
    write(tmp_path / "d", {"extra": b"extra", "empty": b"changed"})
    before = tree_of(tmp_path / "d")
    found = s3.download("m", tmp_path / "d", delete=True, dry_run=True)
    assert keys(found.unchanged) == ["b/1.csv", "b/c/2.bin"]
    assert found.deleted == [str(tmp_path / "d" / "extra")]
    assert tree_of(tmp_path / "d") == before
    assert not [name for name in os.listdir(tmp_path / "d") if name.startswith(".")]


@pytest.mark.usefixtures("remote")
def test_a_dry_run_reports_what_would_fail(s3, root, stored, tmp_path):
    stored.put_all({"m/x/y": b"", "m/z": b""})
    write(tmp_path, {"x": b"a file"})
    (tmp_path / "z").mkdir()
    with pytest.raises(MetaflowS3Exception) as raised:
        s3.download("m", tmp_path, dry_run=True)
    assert set(raised.value.failed) == {f"{root}/m/x/y", f"{root}/m/z"}
    assert keys(raised.value.result) == sorted(TREE)
    assert not (set(os.listdir(tmp_path)) - {"x", "z", "tmproot"})


@pytest.mark.usefixtures("remote")
def test_a_failed_download_reports_what_was_downloaded(s3, root, tmp_path):
    (tmp_path / "0.txt").mkdir()
    with pytest.raises(MetaflowS3Exception) as raised:
        s3.download("m", tmp_path)
    assert list(raised.value.failed) == [f"{root}/m/0.txt"]
    assert keys(raised.value.result) == sorted(set(TREE) - {"0.txt"})
    with pytest.raises(MetaflowS3NotFound) as raised:
        s3.download(["none", "nothing"], tmp_path)
    assert str(raised.value.first).startswith(f"No objects under '{root}/none/'")


@pytest.mark.usefixtures("remote")
def test_objects_are_downloaded_by_themselves(s3, bare, root, tmp_path):
    listed = s3.list_recursive(["m"])
    assert keys(s3.download(listed[:2], tmp_path / "one")) == ["0.txt", "b/1.csv"]
    assert tree_of(tmp_path / "one") == {name: TREE[name] for name in ("0.txt", "b/1.csv")}
    assert [one.url for one in s3.download(listed[0], tmp_path / "two")] == [f"{root}/m/0.txt"]
    assert tree_of(tmp_path / "two") == {"0.txt": b"zero"}
    assert keys(bare.download(listed, tmp_path / "two").unchanged) == ["0.txt"]
    info = bare.info(f"{root}/m/b/1.csv")
    assert [one.path for one in bare.download([info, info], tmp_path / "three")] == [str(tmp_path / "three" / "1.csv")]
    folder = next(one for one in s3.list_paths(["m"]) if not one.exists)
    assert keys(s3.download(folder, tmp_path / "four")) == ["1.csv", "c/2.bin"]


@pytest.mark.usefixtures("remote")
def test_objects_get_paths_of_their_own(s3, root, tmp_path):
    info = s3.info("m/empty")
    found = s3.download([("m/0.txt", "x/y"), (info, "z"), "m/b", ("m/0.txt", "w")], tmp_path)
    assert [(one.key, os.path.relpath(one.path, tmp_path)) for one in found] == [
        ("m/0.txt", "x/y"),
        ("m/empty", "z"),
        ("1.csv", "1.csv"),
        ("c/2.bin", "c/2.bin"),
        ("m/0.txt", "w"),
    ]
    assert tree_of(tmp_path)["x/y"] == tree_of(tmp_path)["w"] == b"zero"
    assert found[0].size == 4
    found = s3.download([("m/0.txt", "x/y")], tmp_path)
    assert (keys(found.unchanged), found[0].size) == (["m/0.txt"], 4)
    for name in ("../x", "/x", "a//b", ""):
        with pytest.raises(MetaflowS3URLException, match="can't be a local file"):
            s3.download([("m/0.txt", name)], tmp_path / "d")
    with pytest.raises(MetaflowS3NotFound):
        s3.download([("none", "none")], tmp_path)


@pytest.mark.parametrize("item", [("a",), ("a", "b", "c"), ("a", 5), ("a", None)])
def test_invalid_pairs(s3, tmp_path, item):
    with pytest.raises(MetaflowS3URLException, match="is not a pair"):
        s3.download([item], tmp_path)


# --- Uploads.


def test_results_of_uploads_count_kept_and_deleted_objects(s3, root, local, stored):
    found = s3.upload(local, "m")
    assert (names(found), found.unchanged, found.deleted) == (sorted(TREE), [], [])
    write(local, {"0.txt": b"newer"})
    stored.put("m/extra", b"")
    found = s3.upload(local, "m", delete=True)
    assert names(found) == ["0.txt"]
    assert found.unchanged == [(f"m/{name}", f"{root}/m/{name}") for name in sorted(TREE) if name != "0.txt"]
    assert found.deleted == [f"{root}/m/extra"]


def test_uploads_without_comparison_or_overwriting(s3, local, stored):
    stored.put("m/0.txt", b"mine")
    found = s3.upload(local, "m", overwrite=False)
    assert (names(found), names(found.unchanged)) == (sorted(set(TREE) - {"0.txt"}), ["0.txt"])
    found = s3.upload(local, "m", overwrite=False, compare=False)
    assert (found, names(found.unchanged)) == ([], sorted(TREE))
    assert stored.blob("m/0.txt") == b"mine"
    found = s3.upload(local, "m", compare=False)
    assert (names(found), found.unchanged) == (sorted(TREE), [])
    assert below(stored, "m/") == TREE


def test_a_content_type_replaces_those_of_the_names(s3, local, stored):
    s3.upload(local, "m", content_type="text/x-all")
    assert {stored.head(key)["ContentType"] for key in stored.list()} == {"text/x-all"}


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_dry_run_stores_nothing(s3, root, local, stored, overwrite):
    stored.put_all({"m/0.txt": TREE["0.txt"], "m/extra": b"", "m/empty": b"other"})
    before = stored.blobs()
    found = s3.upload(local, "m", overwrite=overwrite, delete=True, dry_run=True)
    same = ["0.txt"] if overwrite else ["0.txt", "empty"]
    assert names(found) == sorted(set(TREE) - set(same))
    assert names(found.unchanged) == same
    assert found.deleted == [f"{root}/m/extra"]
    assert names(s3.upload(local, "n", overwrite=overwrite, dry_run=True, compare=False)) == sorted(TREE)
    with pytest.raises(MetaflowS3Exception, match="has nothing to transfer"):
        s3.upload(local, "m", include="*.typo", delete=True, dry_run=True)
    assert stored.blobs() == before


def test_a_failed_upload_reports_what_was_uploaded(s3, local):
    (local / "broken").symlink_to("nowhere")
    for overwrite in (True, False):
        with pytest.raises(MetaflowS3NotFound) as raised:
            s3.upload(local, "m", overwrite=overwrite)
        assert list(raised.value.failed) == [str(local / "broken")]
        result = raised.value.result
        assert sorted(names(result) + names(result.unchanged)) == sorted(TREE)


def test_files_and_directories_together(s3, local, tmp_path, stored):
    write(tmp_path, {"a": b"a", "other/0.txt": b"other", "other/n": b"n"})
    found = s3.upload([tmp_path / "a", str(local / "b"), tmp_path / "a"], "m")
    assert names(found) == ["a", "1.csv", "c/2.bin"]
    with pytest.raises(MetaflowS3InvalidObject, match="has the same key as") as raised:
        s3.upload([local, tmp_path / "other"], "m")
    assert list(raised.value.failed) == [str(tmp_path / "other" / "0.txt")]
    assert stored.blob("m/0.txt") == TREE["0.txt"]
    assert stored.blob("m/n") == b"n"
    with pytest.raises(MetaflowS3NotFound) as raised:
        s3.upload([tmp_path / "missing", tmp_path / "a"], "m")
    assert list(raised.value.failed) == [str(tmp_path / "missing")]
    assert names(raised.value.result.unchanged) == ["a"]
    with pytest.raises(MetaflowS3InvalidObject, match="mirrors one directory"):
        s3.upload([local, tmp_path / "other"], "m", delete=True)

"""`S3.download` and `S3.upload`: whole directories."""

import errno
import os
import socket
import stat
from collections import Counter
from pathlib import Path

import pytest
from contract.trees import TREE, tree_of, write
from metaflow.datatools.s3 import (
    MetaflowS3Exception,
    MetaflowS3InvalidObject,
    MetaflowS3NotFound,
    MetaflowS3URLException,
    S3GetObject,
)

from metaflow_extensions.fasts3.api import executor, file_download
from metaflow_extensions.fasts3.plans.pieces import PART_SIZE


@pytest.mark.usefixtures("remote")
def test_a_prefix_becomes_a_directory(s3, root, tmp_path, stored):
    folder = tmp_path / "made" / "here"
    got = s3.download("m", folder)
    assert tree_of(folder) == TREE
    assert [(one.url, one.prefix, one.key, one.path, one.size) for one in got] == [
        (f"{root}/m/{name}", f"{root}/m", name, str(folder / name), len(TREE[name])) for name in sorted(TREE)
    ]
    assert all(one.downloaded and one.blob == TREE[one.key] for one in got)
    s3.close()
    assert tree_of(folder) == TREE
    assert int((folder / "0.txt").stat().st_mtime) == int(stored.head("m/0.txt")["LastModified"].timestamp())
    (tmp_path / "other").write_text("")
    assert stat.S_IMODE((folder / "0.txt").stat().st_mode) == stat.S_IMODE((tmp_path / "other").stat().st_mode)
    assert sorted(os.listdir(folder)) == ["0.txt", "b", "empty"]


@pytest.mark.usefixtures("remote")
@pytest.mark.parametrize("prefixes", ["m/", ["m"], ("m/",)], ids=["slash", "list", "tuple"])
def test_prefixes_in_every_way(s3, tmp_path, prefixes):
    for name, kind in (("path", Path), ("str", str), ("bytes", os.fsencode)):
        s3.download(prefixes, kind(tmp_path / name))
        assert tree_of(tmp_path / name) == TREE


@pytest.mark.usefixtures("remote")
def test_the_root_and_full_urls(make_s3, bare, root, tmp_path):
    make_s3(s3root=f"{root}/m").download(None, tmp_path / "one")
    bare.download([f"{root}/m"], tmp_path / "two")
    assert tree_of(tmp_path / "one") == tree_of(tmp_path / "two") == TREE


def test_several_prefixes_into_one_directory(s3, stored, tmp_path):
    stored.put_all({"a/x": b"1", "b/y/z": b"2", "c/x": b"3"})
    assert [one.key for one in s3.download(["b", "a", "b/"], tmp_path)] == ["y/z", "x"]
    assert tree_of(tmp_path) == {"x": b"1", "y/z": b"2"}
    with pytest.raises(MetaflowS3URLException, match="can't both be files"):
        s3.download(["a", "c"], tmp_path)


@pytest.mark.usefixtures("remote")
@pytest.mark.parametrize("prefixes", [["m", "m"], ["m", "m/"]])
def test_a_prefix_that_is_given_twice_is_downloaded_once(s3, tmp_path, prefixes):
    assert [one.key for one in s3.download(prefixes, tmp_path)] == sorted(TREE)
    assert tree_of(tmp_path) == TREE


def test_an_object_in_pieces(s3, stored, tmp_path):
    large = os.urandom(2 * PART_SIZE + 5)
    stored.put("m/large", large)
    s3.download("m", tmp_path)
    assert tree_of(tmp_path) == {"large": large}


@pytest.mark.usefixtures("remote")
def test_unchanged_files_are_kept(s3, stored, tmp_path):
    s3.download("m", tmp_path)
    before = {name: os.stat(tmp_path / name).st_ino for name in TREE}
    (tmp_path / "b/1.csv").write_bytes(b"9,9")  # of the same size, but later
    (tmp_path / "mine").write_bytes(b"mine")
    got = s3.download("m", tmp_path)
    assert len(got) == len(TREE)
    assert tree_of(tmp_path) == {**TREE, "mine": b"mine"}
    after = {name: os.stat(tmp_path / name).st_ino for name in TREE}
    assert {name for name in TREE if before[name] != after[name]} == {"b/1.csv"}


def test_an_object_that_changes_twice_within_a_second_is_downloaded(s3, stored, tmp_path):
    for _ in range(20):
        stored.put("m/a", b"old")
        s3.download("m", tmp_path)
        before = stored.head("m/a")["LastModified"]
        stored.put("m/a", b"new")
        if stored.head("m/a")["LastModified"] == before:
            break
    s3.download("m", tmp_path)
    assert tree_of(tmp_path) == {"a": b"new"}


def test_objects_that_were_stored_within_a_second_are_distinguished(s3, stored, tmp_path):
    stored.put_all({f"{number}/f": b"%d" % number for number in range(20)})
    for number in range(20):
        s3.download(str(number), tmp_path)
        assert tree_of(tmp_path) == {"f": b"%d" % number}


@pytest.fixture
def late(monkeypatch):
    """Call a function after all comparisons, before any file is moved to its place."""

    def have(done):
        download = file_download.FileDownload._download

        def downloads(*arguments):
            done()
            return download(*arguments)

        monkeypatch.setattr(file_download.FileDownload, "_download", downloads)

    return have


@pytest.mark.usefixtures("remote")
@pytest.mark.parametrize("refusal", [None, errno.EPERM, errno.ENOTSUP])
def test_a_new_file_stays_without_overwrite(s3, tmp_path, late, monkeypatch, refusal):
    def link(path, target):
        raise OSError(refusal, "no links here")

    if refusal:
        monkeypatch.setattr(os, "link", link)
    late(lambda: write(tmp_path, {"0.txt": b"mine"}))
    found = s3.download("m", tmp_path, overwrite=False)
    assert tree_of(tmp_path) == {**TREE, "0.txt": b"mine"}
    assert [one.key for one in found.unchanged] == ["0.txt"]


@pytest.mark.usefixtures("remote")
def test_a_new_link_is_not_followed(s3, tmp_path, late):
    folder, outside = tmp_path / "d", tmp_path / "outside"
    outside.mkdir()

    def swap():
        (folder / "b").rename(folder / "before")
        (folder / "b").symlink_to(outside)

    (outside / "c").mkdir()
    late(swap)
    with pytest.raises(MetaflowS3URLException, match="a symbolic link leads"):
        s3.download("m", folder)
    assert tree_of(outside) == {}


@pytest.mark.usefixtures("remote")
def test_an_object_that_is_given_twice_is_downloaded_once(s3, tmp_path):
    found = s3.download(["m", ("m/0.txt", "0.txt"), *s3.list_recursive(["m"]), ("m/0.txt", "again")], tmp_path)
    assert tree_of(tmp_path) == {**TREE, "again": TREE["0.txt"]}
    assert [one.path for one in found] == [str(tmp_path / name) for name in (*sorted(TREE), "again")]


def test_two_keys_that_links_lead_into_one_file(s3, stored, tmp_path):
    stored.put_all({"m/a/f": b"1", "m/b/f": b"2", "m/c": b"3"})
    (tmp_path / "b").mkdir()
    (tmp_path / "a").symlink_to(tmp_path / "b")
    with pytest.raises(MetaflowS3URLException, match="can't both be files"):
        s3.download("m", tmp_path)
    assert tree_of(tmp_path.resolve()) == {"b/f": b"1", "c": b"3"}


@pytest.mark.usefixtures("remote")
def test_files_that_are_there_stay_without_overwrite(s3, tmp_path):
    write(tmp_path, {"0.txt": b"mine"})
    s3.download("m", tmp_path, overwrite=False)
    assert tree_of(tmp_path) == {**TREE, "0.txt": b"mine"}


def test_a_link_in_the_place_of_a_file_is_replaced_and_not_followed(s3, stored, tmp_path):
    stored.put("m/a", b"new")
    (tmp_path / "precious").write_bytes(b"old")
    folder = tmp_path / "d"
    folder.mkdir()
    (folder / "a").symlink_to(tmp_path / "precious")
    s3.download("m", folder)
    assert (tmp_path / "precious").read_bytes() == b"old"
    assert ((folder / "a").read_bytes(), (folder / "a").is_symlink()) == (b"new", False)


@pytest.mark.needs("dot-keys", "trailing-slash-keys", "long-segment-keys", "double-slash-keys", "object-beside-prefix")
def test_keys_that_can_t_be_files_are_left_out_of_the_download_of_all_others(s3, root, stored, tmp_path, monkeypatch):
    odd = ["../../escaped", "x" * 300, "a", "b//c", "mark/", "no"]
    stored.put_all({f"m/{name}": b"no" for name in odd})
    stored.put_all({"m/a/b": b"1", "m/empty/": b"", "m/z": b"2"})

    replace = os.replace

    def refuse_a_name(source, target):
        if target.endswith("/no"):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        replace(source, target)

    monkeypatch.setattr(os, "replace", refuse_a_name)
    folder = tmp_path / "d"
    for _ in range(2):  # what is there changes nothing
        with pytest.raises(MetaflowS3Exception, match="6 of 8 objects were not downloaded") as raised:
            s3.download("m", folder)
        assert set(raised.value.failed) == {f"{root}/m/{name}" for name in odd}
        assert all(name in str(raised.value) for name in odd)
        assert tree_of(tmp_path) == {"d/a/b": b"1", "d/z": b"2"}
        assert (folder / "empty").is_dir()


def test_a_single_object_that_can_t_be_a_file_has_its_own_error(s3, root, stored, tmp_path):
    stored.put_all({"m/a": b"1", "m/z": b"2"})
    (tmp_path / "a").mkdir()
    with pytest.raises(MetaflowS3Exception, match=r"^'s3://.*/m/a' would become .*, which is a directory") as raised:
        s3.download("m", tmp_path)
    assert list(raised.value.failed) == [f"{root}/m/a"]
    assert tree_of(tmp_path) == {"z": b"2"}


@pytest.mark.needs("trailing-slash-keys")
def test_marks_of_directories_become_directories(s3, stored, tmp_path):
    stored.put_all({"m/": b"", "m/empty/": b"", "m/full/": b"", "m/full/x": b"1"})
    assert [one.key for one in s3.download("m", tmp_path)] == ["full/x"]
    assert (tmp_path / "empty").is_dir()
    assert tree_of(tmp_path) == {"full/x": b"1"}


def test_a_range_in_memory_creates_no_file(s3, stored, tmp_path):
    stored.put("a", b"value")
    for source in (s3.get(S3GetObject("a", 1, 2)), (S3GetObject("a", 1, 2), "a")):
        with pytest.raises(MetaflowS3InvalidObject, match="is a range of an object"):
            s3.download([source], tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_nothing_below_a_prefix(s3, root, stored, tmp_path):
    stored.put_all({"m/a": b"1", "typos": b"2"})
    with pytest.raises(MetaflowS3NotFound, match=f"No objects under '{root}/typo/'.*begins with .*/typos'"):
        s3.download("typo", tmp_path / "d")
    with pytest.raises(MetaflowS3NotFound, match=f"No objects under '{root}/none/'"):
        s3.download(["none/"], tmp_path / "d")
    assert s3.download([], tmp_path / "d") == []
    assert not (tmp_path / "d").exists()
    with pytest.raises(MetaflowS3NotFound, match=f"No objects under '{root}/none/'"):
        s3.download(["none", "m"], tmp_path / "d")
    assert tree_of(tmp_path) == {"d/a": b"1"}


def test_a_directory_becomes_a_prefix(s3, root, local, stored):
    assert s3.upload(local, "m") == [(f"m/{name}", f"{root}/m/{name}") for name in sorted(TREE)]
    assert stored.blobs() == {f"m/{name}": blob for name, blob in TREE.items()}


def test_a_directory_becomes_the_root(s3, bare, root, local, stored):
    assert s3.upload(str(local)) == [(name, f"{root}/{name}") for name in sorted(TREE)]
    assert stored.blobs() == TREE
    assert bare.upload(local, f"{root}/n/") == [(f"{root}/n/{name}", f"{root}/n/{name}") for name in sorted(TREE)]
    with pytest.raises(MetaflowS3URLException, match="No key was given"):
        bare.upload(local)


def test_the_names_of_files_suggest_content_types(s3, tmp_path):
    folder = tmp_path / "typed"
    folder.mkdir()
    names = {"a.json": "application/json", "b.csv.gz": "application/gzip", "c.html": "text/html"}
    for name in names:
        (folder / name).write_bytes(b"x")
    s3.upload(folder, "typed")
    assert {info.key: info.content_type for info in s3.info_many([f"typed/{name}" for name in names])} == {
        f"typed/{name}": kind for name, kind in names.items()
    }
    s3.put_files([("plain", str(folder / "c.html"))])
    assert s3.info("plain").content_type != "text/html"


def test_patterns_choose_files(s3, local):
    def keys(**patterns):
        return [key for key, _ in s3.upload(local, f"p{len(patterns)}{hash(str(patterns))}", **patterns)]

    def names(**patterns):
        return [key.partition("/")[2] for key in keys(**patterns)]

    assert names(include="*.csv") == ["b/1.csv"]
    assert names(include=["*.csv", "0*"]) == ["0.txt", "b/1.csv"]
    assert names(exclude="b/*") == ["0.txt", "empty"]
    assert names(include="b/*", exclude=["*.bin"]) == ["b/1.csv"]
    assert names(include=[]) == []
    assert names(include=iter(["*.csv", "0*"])) == ["0.txt", "b/1.csv"]
    assert names(include=iter(["b/*"]), exclude=iter(["*.bin"])) == ["b/1.csv"]


def test_unchanged_objects_are_not_uploaded_again(s3, local, stored):
    write(local, {"large": os.urandom(2 * PART_SIZE + 1)})
    assert len(s3.upload(local, "m")) == 5
    assert s3.upload(local, "m") == []
    write(local, {"b/1.csv": b"2,2"})
    assert [key for key, _ in s3.upload(local, "m")] == ["m/b/1.csv"]
    assert stored.blob("m/b/1.csv") == b"2,2"
    assert s3.upload(local, "m") == []
    assert s3.info("m/b/1.csv").metadata is None


def test_objects_that_are_there_stay_without_overwrite(s3, local, stored):
    stored.put("m/0.txt", b"theirs")
    assert [key for key, _ in s3.upload(local, "m", overwrite=False)] == ["m/b/1.csv", "m/b/c/2.bin", "m/empty"]
    assert stored.blob("m/0.txt") == b"theirs"


def test_links_to_files_are_followed_and_links_to_directories_not(s3, local, stored):
    (local / "link").symlink_to(local / "0.txt")
    (local / "loop").symlink_to(local)
    s3.upload(local, "m", include=["link", "loop*"])
    assert stored.blobs() == {"m/link": b"zero"}


def odd_files(folder):
    """Create one file of each kind that can't be uploaded; return their names."""
    (folder / "odd").mkdir()
    os.mkfifo(folder / "odd" / "pipe")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(os.path.relpath(folder / "odd" / "socket"))  # its path may be as long as 107 bytes
    (folder / "odd" / "broken").symlink_to("/no/such/file")
    (folder / "odd" / "circle").symlink_to("circle")
    (folder / "odd" / "device").symlink_to(os.devnull)
    with open(os.fsencode(folder / "odd") + b"/\xff", "wb"):
        pass
    (folder / ("d" * 200)).mkdir()
    long = "/".join(["d" * 200, *["e" * 200] * 5])
    os.makedirs(folder / long)
    (folder / long / "f").write_bytes(b"")
    return {"odd/pipe", "odd/socket", "odd/broken", "odd/circle", "odd/device", "odd/\udcff", f"{long}/f"}


@pytest.mark.parametrize("overwrite", [True, False])
def test_files_that_can_t_be_uploaded_do_not_stop_the_others(s3, root, local, stored, overwrite):
    odd = odd_files(local)
    with pytest.raises(Exception, match=r"7 of 11 files were not uploaded\. The first: ") as raised:
        s3.upload(local, "m", overwrite=overwrite)
    assert set(raised.value.failed) == {str(local / name) for name in odd}
    assert all(ascii(str(local / name))[1:-1] in str(raised.value) for name in odd)
    assert "\udcff" not in str(raised.value)
    assert stored.blobs() == {f"m/{name}": blob for name, blob in TREE.items()}
    patterns = ["odd/*", "d*"]
    assert s3.upload(local, "m", exclude=patterns, overwrite=overwrite) == []
    assert s3.upload(local, "n", include=["b/*", "*.nothing"], overwrite=overwrite) != []


def test_a_single_file_that_can_t_be_uploaded_has_its_own_error(s3, local, stored):
    (local / "broken").symlink_to("/no/such/file")
    with pytest.raises(MetaflowS3NotFound, match=r"broken' is a broken link: '/no/such/file' does not exist") as raised:
        s3.upload(local, "m")
    assert list(raised.value.failed) == [str(local / "broken")]
    assert len(stored.list()) == len(TREE)


def test_invalid_directories(s3, local, stored):
    stored.put("m/a", b"1")
    with pytest.raises(MetaflowS3NotFound, match="is not a local directory"):
        s3.upload(local / "0.txt", "m")
    with pytest.raises(Exception, match=r"Could not create the directory .* \(File exists\)\. Give a directory"):
        s3.download("m", local / "0.txt")


def test_temporary_files_of_a_client_are_no_files_to_upload(make_s3, root, local, stored):
    stored.put("x", b"1")
    s3 = make_s3(s3root=root, tmproot=str(local))
    s3.get("x")
    assert [key for key, _ in s3.upload(local, "m")] == [f"m/{name}" for name in sorted(TREE)]


@pytest.fixture
def jobs(monkeypatch):
    """The operations of all started jobs, in order."""
    begun = []

    class Queue(executor.JobQueue):
        def take(self):
            job = super().take()
            begun.extend([job.operation] if job else [])
            return job

        def put_back(self, jobs):
            jobs = list(jobs)
            for job in jobs:
                begun.remove(job.operation)
            super().put_back(jobs)

        def at_least(self, count):
            before, result = begun[:], super().at_least(count)
            begun[:] = before
            return result

    monkeypatch.setattr(executor, "JobQueue", Queue)
    return begun


def test_a_listing_identifies_unchanged_files(s3, tmp_path, jobs):
    tree = {f"{number // 10}/{number}": b"%d" % number for number in range(30)}
    write(tmp_path / "up", tree)
    s3.upload(tmp_path / "up", "m")
    assert Counter(jobs) == {"list_page": 1, "put": 30}
    s3.download("m", tmp_path / "down")
    for move in (
        lambda: s3.upload(tmp_path / "up", "m"),
        lambda: s3.upload(tmp_path / "up", "m", overwrite=False),
        lambda: s3.download("m", tmp_path / "down"),
    ):
        jobs.clear()
        move()
        assert jobs == ["list_page"]
    write(tmp_path / "up", {"0/1": b"!", "0/2": b"longer", "0/new": b"new"})
    jobs.clear()
    assert [key for key, _ in s3.upload(tmp_path / "up", "m")] == ["m/0/1", "m/0/2", "m/0/new"]
    assert Counter(jobs) == {"list_page": 1, "head": 1, "put": 3}


def test_there_and_back(s3, local, tmp_path):
    s3.upload(local, "m")
    s3.download("m", tmp_path / "back")
    assert tree_of(tmp_path / "back") == TREE

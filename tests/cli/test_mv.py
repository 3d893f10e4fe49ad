"""Tests of ``metaflow fasts3 mv``: nothing is lost, whatever happens between the copy and the deletion."""

import json
import mmap
import os
import re

import pytest
from metaflow import S3
from servers import faults
from servers.faulty import FaultyS3

from metaflow_extensions.fasts3.api import file_delivery
from metaflow_extensions.fasts3.cli import removal, to_s3
from metaflow_extensions.fasts3.plans import unchanged

FILES = {"a/1.csv": b"1", "a/b/2.csv": b"22", "a/b/3.txt": b"3", "ab": b"", "z": b"zz"}


@pytest.fixture
def filled(stored):
    stored.put_all(FILES)
    return stored


@pytest.fixture
def tree(here):
    folder = here / "tree"
    for name, body in {"a.txt": b"a", "b/c.csv": b"c", "b/d.txt": b"d"}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(body)
    return folder


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def but(*gone):
    return {key: blob for key, blob in FILES.items() if key not in gone}


# --- All directions.


def test_files_go_to_s3(fasts3, here, root, stored, tree):
    done = fasts3("mv", "tree", f"{root}/x", "--exclude", "*.txt")
    assert (done.exit_code, done.stdout) == (0, "")
    assert re.fullmatch(r"Moved 1 file in [0-9.]+ s\.\n", done.stderr)
    assert files(tree) == {"a.txt": b"a", "b/d.txt": b"d"}
    assert fasts3("mv", "tree/a.txt", f"{root}/y").exit_code == 0
    assert fasts3("mv", "tree", f"{root}/x").exit_code == 0
    assert files(here) == {}
    assert (tree / "b").is_dir()  # directories stay
    assert stored.blobs() == {"x/b/c.csv": b"c", "y": b"a", "x/b/d.txt": b"d"}


def test_objects_go_to_files(fasts3, here, root, filled):
    done = fasts3("mv", f"{root}/a/", "out", "--include", "b/*")
    assert (done.exit_code, done.stdout) == (0, "")
    assert re.fullmatch(r"Moved 2 objects, 3 bytes, in [0-9.]+ s\.\n", done.stderr)
    assert fasts3("mv", f"{root}/z", "file").exit_code == 0
    assert files(here) == {"out/b/2.csv": b"22", "out/b/3.txt": b"3", "file": b"zz"}
    assert filled.blobs() == but("a/b/2.csv", "a/b/3.txt", "z")


def test_objects_go_to_other_keys(fasts3, root, filled):
    done = fasts3("mv", f"{root}/a/*.csv", f"{root}/x/")
    assert (done.exit_code, done.stdout) == (0, "")
    assert re.fullmatch(r"Moved 2 objects in [0-9.]+ s\.\n", done.stderr)
    assert fasts3("mv", f"{root}/z", f"{root}/y").exit_code == 0
    assert filled.blobs() == {"a/b/3.txt": b"3", "ab": b"", "x/1.csv": b"1", "x/b/2.csv": b"22", "y": b"zz"}


def test_moved_objects_as_json(fasts3, here, root, filled, tree):
    def as_json(*arguments):
        return [json.loads(line) for line in fasts3("mv", "--json", *arguments).stdout.splitlines()]

    assert as_json(f"{root}/a/b/2.csv", f"{root}/x") == [{"source": f"{root}/a/b/2.csv", "url": f"{root}/x"}]
    assert as_json(f"{root}/x", "out") == [{"url": f"{root}/x", "path": "./out", "size": 2}]
    assert as_json("tree/a.txt", f"{root}/x/") == [{"url": f"{root}/x/a.txt", "path": "tree/a.txt"}]


def test_a_dry_run_changes_nothing(fasts3, here, root, filled, tree):
    for arguments, moved in (
        ((f"{root}/a/b/2.csv", f"{root}/x"), f"move: {root}/a/b/2.csv to {root}/x\n"),
        ((f"{root}/z", "out"), f"move: {root}/z to ./out\n"),
        (("tree/a.txt", f"{root}/x/"), f"move: tree/a.txt to {root}/x/a.txt\n"),
    ):
        done = fasts3("mv", "--dry-run", *arguments)
        assert done.stdout == moved
        assert done.stderr.startswith("Would move 1 ")
    assert filled.blobs() == FILES
    assert sorted(files(here)) == ["tree/a.txt", "tree/b/c.csv", "tree/b/d.txt"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a", "b"], "use the shell's mv"),
        (["-", "{root}/x"], "Stdin and stdout can't be moved"),
        (["{root}/z", "-"], "Stdin and stdout can't be moved"),
        (["{root}/a/", "{root}/a/x"], "can't be moved into itself"),
        (["{root}/a/", "{root}/a"], "can't be moved into itself"),
        (["{root}/a*", "{root}/ab/"], "can't be moved into itself"),
        (["-r", "{root}/a", "{root}/a/b/c"], "can't be moved into itself"),
        (["{root}/z", "{root}/z"], "can't be moved onto itself"),
        (["{root}/a/b/2*", "{root}/a/b/", "--content-type", "x/new"], "can't be moved onto themselves"),
        (["{root}/z", "{root}/"], "can't be moved onto itself"),
        (["--exclude", "*.py", __file__, "{root}/x"], "is not a directory"),
        ([f"{__file__}/", "{root}/x/"], "is a file, not a directory. Omit the slash"),
        (["{root}/z", "new/."], "There is no directory 'new/.'"),
        (["{bucket}", "out"], "is a whole bucket, which is not moved"),
        (["{bucket}/*.csv", "out"], "may match a whole bucket, which is not moved"),
        (["-r", "{bucket}/", "s3://other/x/"], "is a whole bucket, which is not moved"),
    ],
)
def test_invalid_arguments(fasts3, here, root, filled, arguments, message):
    bucket = f"s3://{filled.bucket}"
    done = fasts3("mv", *(argument.format(root=root, bucket=bucket) for argument in arguments))
    assert done.exit_code == 2
    assert message in " ".join(done.stderr.split())
    assert filled.blobs() == FILES
    assert list(here.iterdir()) == []


# --- Sources that stay.


def test_without_overwriting_the_source_of_what_exists_stays(fasts3, here, root, filled, tree):
    filled.put_all({"x/2.csv": b"mine", "y/a.txt": b"a"})
    (here / "3.txt").write_bytes(b"mine")
    done = fasts3("mv", "-n", f"{root}/a/b/", f"{root}/x")
    assert re.fullmatch(r"Moved 1 object in [0-9.]+ s; 1 already existed\.\n", done.stderr)
    filled.put("a/b/3.txt", b"3")
    done = fasts3("mv", "-n", f"{root}/a/b/3.txt", ".")
    assert done.stderr == "Moved 0 objects; 1 already existed.\n"
    assert (here / "3.txt").read_bytes() == b"mine"
    done = fasts3("mv", "-n", "tree/a.txt", f"{root}/y/")
    assert done.stderr == "Moved 0 files; 1 already existed.\n"
    assert files(tree)["a.txt"] == b"a"
    assert {key: filled.blob(key) for key in ("a/b/2.csv", "a/b/3.txt", "x/2.csv", "x/3.txt")} == {
        "a/b/2.csv": b"22",
        "a/b/3.txt": b"3",
        "x/2.csv": b"mine",
        "x/3.txt": b"3",
    }


def test_without_overwriting_the_source_of_what_is_created_meanwhile_stays(fasts3, here, root, filled, monkeypatch):
    deliver = file_delivery.deliver

    def later(*arguments):
        (here / "3.txt").write_bytes(b"mine")
        return deliver(*arguments)

    monkeypatch.setattr(file_delivery, "deliver", later)
    done = fasts3("mv", "-n", f"{root}/a/b/3.txt", ".")
    assert done.stderr == "Moved 0 objects; 1 already existed.\n"
    assert (here / "3.txt").read_bytes() == b"mine"
    assert filled.blobs() == FILES


def test_unchanged_files_are_moved_too(fasts3, here, root, filled, tree):
    assert fasts3("cp", f"{root}/a/", "out").exit_code == 0
    assert fasts3("mv", f"{root}/a/", "out").exit_code == 0
    assert files(here / "out") == {"1.csv": b"1", "b/2.csv": b"22", "b/3.txt": b"3"}
    assert fasts3("cp", "tree", f"{root}/x").exit_code == 0
    assert fasts3("mv", "tree", f"{root}/x").exit_code == 0
    assert files(tree) == {}
    assert filled.blobs() == {"ab": b"", "z": b"zz", "x/a.txt": b"a", "x/b/c.csv": b"c", "x/b/d.txt": b"d"}


def test_a_file_that_was_changed_without_its_times_is_moved(fasts3, here, root, stored, monkeypatch):
    """A write to a page in memory that is not yet on the disk changes no time of the file."""
    monkeypatch.setattr(unchanged, "YOUNG", 0)  # the file would have to be older
    path = here / "tree" / "file"
    path.parent.mkdir()
    path.write_bytes(b"first")
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        memory[:] = b"dirty"
        assert fasts3("cp", "tree", f"{root}/x").exit_code == 0
        memory[:] = b"later"
        assert fasts3("mv", "tree", f"{root}/x").exit_code == 0
    assert (files(here), stored.blobs()) == ({}, {"x/file": b"later"})


def test_the_key_of_an_object_that_is_a_pattern_for_others(fasts3, here, root, stored):
    keys = {"report1.csv": b"1", "report[1].csv": b"22"}
    for command in ("get", "cp", "mv", "rm"):
        stored.put_all(keys)
        target = {"rm": ["--yes"], "get": ["out"]}.get(command, [f"{root}/to/"])
        done = fasts3(command, f"{root}/report[1].csv", *target)
        assert done.exit_code == 1
        assert f"does not match the object {root}/report[1].csv. To select" in " ".join(done.stderr.split())
        assert stored.blobs() == keys
        assert files(here) == {}
    assert fasts3("mv", "--raw", f"{root}/report[1].csv", f"{root}/to/").exit_code == 0
    assert fasts3("mv", f"{root}/report[1].csv", f"{root}/to/").exit_code == 0
    assert stored.blobs() == {"to/report[1].csv": b"22", "to/report1.csv": b"1"}


def test_a_prefix_with_the_brackets_of_a_pattern(fasts3, root, stored):
    keys = {"data1/x": b"1", "data[1]/x": b"22"}
    stored.put_all(keys)
    done = fasts3("mv", f"{root}/data[1]/*", f"{root}/to/")
    assert (done.exit_code, stored.blobs()) == (1, keys)
    assert "write each [ as [[]" in " ".join(done.stderr.split())
    assert fasts3("mv", f"{root}/data[[]1]/*", f"{root}/to/").exit_code == 0
    assert stored.blobs() == {"data1/x": b"1", "to/data[1]/x": b"22"}


@pytest.fixture
def meanwhile(monkeypatch):
    """Call a function before the objects of a move are deleted."""
    remove = removal.remove_objects

    def do(function):
        def later(*arguments):
            function()
            return remove(*arguments)

        for module in ("to_local", "within_s3"):
            monkeypatch.setattr(f"metaflow_extensions.fasts3.cli.{module}.remove_objects", later)

    return do


@pytest.mark.parametrize("destination", ["out", "{root}/x"])
def test_an_object_that_is_replaced_meanwhile_stays(fasts3, root, filled, meanwhile, destination):
    meanwhile(lambda: filled.put("a/b/2.csv", b"new"))
    done = fasts3("mv", f"{root}/a/", destination.format(root=root))
    assert done.exit_code == 1
    assert f"'{root}/a/b/2.csv' was copied, but not deleted: it was replaced in the meantime." in done.stderr
    assert re.match(r"Moved 2 objects", done.stderr)
    left = {key: blob for key, blob in filled.blobs().items() if not key.startswith("x/")}
    assert left == {"a/b/2.csv": b"new", "ab": b"", "z": b"zz"}


@pytest.mark.parametrize("destination", ["out", "{root}/x"])
def test_an_object_that_is_deleted_meanwhile_is_moved(fasts3, root, filled, meanwhile, destination):
    meanwhile(lambda: filled.delete("a/b/2.csv"))
    done = fasts3("mv", f"{root}/a/", destination.format(root=root))
    assert done.exit_code == 0
    assert done.stderr.startswith("Moved 3 objects")


@pytest.mark.parametrize("change", ["write", "touch", "replace", "delete"])
def test_a_file_that_changes_meanwhile_stays(fasts3, root, stored, tree, monkeypatch, change):
    path = tree / "b" / "c.csv"

    def later(*arguments):
        if change in ("replace", "delete"):
            path.unlink()
        if change in ("replace", "write"):
            path.write_bytes(b"c")
        if change == "touch":
            os.utime(path, (1, 1))
        return removal.remove_files(*arguments)

    monkeypatch.setattr(to_s3, "remove_files", later)
    done = fasts3("mv", "tree", f"{root}/x")
    assert done.exit_code == 1
    assert "tree/b/c.csv' was uploaded, but not deleted: it changed in the meantime." in done.stderr
    assert set(files(tree)) == (set() if change == "delete" else {"b/c.csv"})
    assert stored.blobs() == {"x/a.txt": b"a", "x/b/c.csv": b"c", "x/b/d.txt": b"d"}


def test_a_file_that_is_added_meanwhile_stays(fasts3, root, stored, tree, monkeypatch):
    upload = S3.upload

    def later(self, *arguments, **given):
        if not given["dry_run"]:
            (tree / "new").write_bytes(b"new")
        return upload(self, *arguments, **given)

    monkeypatch.setattr(S3, "upload", later)
    done = fasts3("mv", "tree", f"{root}/x")
    assert done.exit_code == 1
    assert files(tree) == {"new": b"new"}


def test_a_moved_link_is_deleted_and_not_its_target(fasts3, here, root, stored, tree):
    (here / "outside").write_bytes(b"o")
    (tree / "link").symlink_to(here / "outside")
    assert fasts3("mv", "tree", f"{root}/x").exit_code == 0
    assert stored.blob("x/link") == b"o"
    assert not (tree / "link").is_symlink()
    assert files(here) == {"outside": b"o"}


@pytest.mark.parametrize("to_s3", [True, False])
def test_objects_that_several_arguments_select_go_once(fasts3, here, root, filled, to_s3):
    to = f"{root}/to/" if to_s3 else "to/"
    arguments = [f"{root}/z", f"{root}/a/1*", f"{root}/a/*1.csv", f"{root}/z*"]
    done = fasts3("mv", *arguments, to)
    assert (done.exit_code, done.stderr.splitlines()[0].split(" object")[0]) == (0, "Moved 2"), done.stderr
    moved = {"to/1.csv": b"1", "to/z": b"zz"}
    assert files(here) == ({} if to_s3 else moved)
    assert filled.blobs() == {**but("a/1.csv", "z"), **(moved if to_s3 else {})}
    done = fasts3("mv", f"{root}/ab", f"{root}/none*", to)
    assert (done.exit_code, filled.blobs().get("ab")) == (1, None)
    assert f"No key matches {root}/none*." in " ".join(done.stderr.split())


def test_several_names_of_a_file_go(fasts3, here, root, stored, tree):
    os.link(tree / "a.txt", tree / "hard")
    (tree / "link").symlink_to("a.txt")
    (tree / "0").symlink_to("link")
    assert fasts3("mv", "tree", f"{root}/x", "--include", "[0ahl]*").exit_code == 0
    assert stored.blobs() == dict.fromkeys(("x/0", "x/a.txt", "x/hard", "x/link"), b"a")
    assert files(tree) == {"b/c.csv": b"c", "b/d.txt": b"d"}
    assert not (tree / "link").is_symlink()


def test_files_of_one_name_are_not_lost(fasts3, here, root, stored, tree):
    (here / "a.txt").write_bytes(b"another")
    done = fasts3("mv", "tree", "a.txt", f"{root}/x")
    assert done.exit_code == 1
    assert "would both become" in done.stderr
    assert files(here) == {"a.txt": b"another", "tree/a.txt": b"a", "tree/b/c.csv": b"c", "tree/b/d.txt": b"d"}
    (here / "x").mkdir()
    (here / "x" / "a.txt").write_bytes(b"third")
    done = fasts3("mv", "a.txt", "x/a.txt", f"{root}/x")
    assert done.exit_code == 1
    assert files(here / "x") == {"a.txt": b"third"}
    assert stored.blobs() == {"x/a.txt": b"another"}


@pytest.mark.parametrize("destination", ["out", "{root}/w"])
def test_objects_of_one_name_are_not_lost(fasts3, here, root, stored, destination):
    stored.put_all({"x/same": b"x", "y/same": b"y"})
    done = fasts3("mv", f"{root}/x/same", f"{root}/y/same", destination.format(root=root) + "/")
    assert done.exit_code == 1
    assert {key: blob for key, blob in stored.blobs().items() if not key.startswith("w/")} == {"y/same": b"y"}


def test_objects_that_replace_others_of_the_move_are_not_lost(fasts3, root, stored):
    stored.put_all({"a/b/1": b"same", "a/b/b/1": b"same", "a/b/b/2": b"22", "a/b/b/b/2": b"deep"})
    done = fasts3("mv", f"{root}/a/b/", f"{root}/a/")
    assert done.exit_code == 0
    assert done.stderr.startswith("Moved 4 objects in ")
    assert stored.blobs() == {"a/1": b"same", "a/b/1": b"same", "a/b/2": b"22", "a/b/b/2": b"deep"}


def test_an_object_that_waits_for_its_move_is_not_replaced(fasts3, root, stored):
    stored.put_all({"a/d/1": b"1", "a/2": b"2", "c/d/1": b"mine"})
    done = fasts3("mv", f"{root}/a/", f"{root}/c/d/", f"{root}/c/")
    assert done.exit_code == 1
    assert f"'{root}/a/d/1' was skipped: it would become {root}/c/d/1, which is to be moved as well." in done.stderr
    assert stored.blobs() == {"a/d/1": b"1", "c/2": b"2", "c/1": b"mine"}


@pytest.mark.parametrize("source", ["{root}/a/2", "{root}/a/"])
def test_a_file_of_the_same_size_and_time_is_not_taken_for_the_object(fasts3, here, root, stored, source):
    """Another program may have downloaded another object of the same second into it."""
    stored.put("a/2", b"two")
    os.makedirs("out")
    (here / "out" / "2").write_bytes(b"one")
    seconds = stored.head("a/2")["LastModified"].timestamp()
    os.utime("out/2", (seconds, seconds))
    assert fasts3("mv", source.format(root=root), "out").exit_code == 0
    assert files(here) == {"out/2": b"two"}
    assert stored.blobs() == {}


# --- Failures.


@pytest.fixture
def proxy(server, here, monkeypatch):
    with FaultyS3(server) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.client_params()["endpoint_url"])
        yield proxy
    assert proxy.problems == []


def of(operation, name):
    return lambda request: request.operation == operation and request.key.endswith(name)


@pytest.mark.parametrize(
    ("operation", "source", "destination"),
    [
        ("GetObject", "{root}/a/", "out"),
        ("CopyObject", "{root}/a/", "{root}/x/"),
        ("PutObject", "tree", "{root}/y/"),
        ("DeleteObject", "{root}/a/b/2.csv", "out"),
        ("DeleteObject", "{root}/a/b/2.csv", "{root}/x/"),
    ],
)
def test_failed_objects_stay(fasts3, here, root, filled, tree, proxy, operation, source, destination):
    name = "c.csv" if operation == "PutObject" else "/2.csv"
    proxy.inject_where(of(operation, name), faults.error(403, "AccessDenied"), times=None)
    done = fasts3("mv", source.format(root=root), destination.format(root=root))
    assert done.exit_code == 1
    assert "AccessDenied" in done.stderr
    others = {} if operation == "DeleteObject" else {"a/1.csv", "a/b/3.txt"}
    left = {key: blob for key, blob in filled.blobs().items() if key[0] not in "xy"}
    assert left == (FILES if operation == "PutObject" else but(*others))
    assert files(tree) == ({"b/c.csv": b"c"} if operation == "PutObject" else files(tree))


def test_without_permission_to_delete_mv_has_copied(fasts3, here, root, filled, proxy):
    for operation in ("DeleteObjects", "DeleteObject"):
        proxy.inject(operation, faults.error(403, "AccessDenied"), times=None)
    done = fasts3("mv", f"{root}/a/", "out")
    assert done.exit_code == 1
    assert "AccessDenied" in done.stderr
    assert filled.blobs() == FILES
    assert files(here / "out") == {"1.csv": b"1", "b/2.csv": b"22", "b/3.txt": b"3"}


def test_a_file_that_can_t_be_deleted_is_named(fasts3, root, stored, tree, monkeypatch):
    unlink = os.unlink

    def refuse(path, **given):
        if str(path).endswith("c.csv"):
            raise PermissionError(13, "Permission denied")
        unlink(path, **given)

    monkeypatch.setattr(os, "unlink", refuse)
    done = fasts3("mv", "tree", f"{root}/x")
    assert done.exit_code == 1
    assert "'tree/b/c.csv' was uploaded, but could not be deleted (Permission denied)." in done.stderr
    assert files(tree) == {"b/c.csv": b"c"}
    assert len(stored.list()) == 3

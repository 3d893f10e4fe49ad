"""The deletions of a mirror: only files that existed before, have not changed since, and are below its directory."""

import os
import tempfile
from types import SimpleNamespace

import pytest
from metaflow.datatools.s3 import MetaflowS3Exception, MetaflowS3URLException

from metaflow_extensions.fasts3.api.errors_of_many import LeftOut
from metaflow_extensions.fasts3.api.mirrors import LocalDestination, StoredDestination, check_prefix
from metaflow_extensions.fasts3.api.path_patterns import PathPatterns

ALL = PathPatterns(None, None)
ETAG = '"e"'


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


@pytest.fixture
def left_out():
    return LeftOut(executor=None)


def write(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"old")


def names_in(root):
    return {path.relative_to(root).as_posix() + ("/" if path.is_dir() else "") for path in root.rglob("*")}


def kept(root, *names):
    return [os.path.join(root, name) for name in names]


def test_other_files_are_deleted_with_their_directories(root, left_out):
    write(root, "a", "b", "c/d/e", "c/f", "g/h/i")
    (root / "empty").mkdir()
    noted = LocalDestination(str(root), ALL)
    assert noted.delete_others(kept(root, "a", "c/f"), False, left_out) == kept(root, "b", "c/d/e", "g/h/i")
    assert names_in(root) == {"a", "c/", "c/f", "empty/"}
    assert left_out.reasons == {}


def test_a_dry_run_deletes_nothing(root, left_out):
    write(root, "a", "b", "c/d/e", "c/f")
    noted = LocalDestination(str(root), ALL)
    assert noted.delete_others(kept(root, "a"), False, left_out, dry_run=True) == kept(root, "b", "c/d/e", "c/f")
    assert names_in(root) == {"a", "b", "c/", "c/d/", "c/d/e", "c/f"}


def test_a_directory_with_its_own_mark_stays(root, left_out):
    write(root, "marked/a", "other/a")
    noted = LocalDestination(str(root), ALL)
    assert noted.delete_others(kept(root, "marked/"), False, left_out) == kept(root, "marked/a", "other/a")
    assert names_in(root) == {"marked/"}


def test_the_directory_itself_stays(root, left_out):
    write(root, "a")
    assert LocalDestination(str(root), ALL).delete_others([], False, left_out) == kept(root, "a")
    assert names_in(root) == set()
    assert LocalDestination(str(root / "none"), ALL).delete_others([], False, left_out) == []


def test_unselected_files_stay(root, left_out):
    write(root, "a.csv", "b.csv", "b.txt", "c/d.csv", "c/d.log")
    noted = LocalDestination(str(root), PathPatterns("*.csv", "c/*"))
    assert noted.delete_others(kept(root, "a.csv"), False, left_out) == kept(root, "b.csv")
    assert names_in(root) == {"a.csv", "b.txt", "c/", "c/d.csv", "c/d.log"}


def append(path):
    with path.open("ab") as file:
        file.write(b"x")


def replaced(path):
    path.unlink()
    path.write_bytes(b"old")


CHANGES = {
    "written": lambda path: path.write_bytes(b"new and longer"),
    "appended": append,
    "touched": lambda path: os.utime(path, (1, 1)),
    "chmod": lambda path: path.chmod(0o600),
    "replaced": replaced,
    "a link now": lambda path: (path.unlink(), path.symlink_to("/etc/passwd")),
    "a directory now": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_files_that_change_meanwhile_stay(root, left_out, change):
    write(root, "a", "b")
    noted = LocalDestination(str(root), ALL)
    change(root / "a")
    write(root, "new")
    assert len(noted.delete_others([], False, left_out)) == 1
    assert {name.rstrip("/") for name in names_in(root)} == {"a", "new"}


def test_all_names_of_a_file_go(root, left_out):
    """Deleting one name of a file, or replacing it by a download, changes the times of the others."""
    write(root, "a", "kept", "new")
    os.link(root / "a", root / "b")
    os.link(root / "kept", root / "c")
    noted = LocalDestination(str(root), ALL)
    os.replace(root / "new", root / "kept")
    assert noted.delete_others(kept(root, "kept"), False, left_out) == kept(root, "a", "b", "c")
    assert names_in(root) == {"kept"}


def test_files_deleted_by_others_are_no_failure(root, left_out):
    write(root, "a", "b/c")
    noted = LocalDestination(str(root), ALL)
    (root / "a").unlink()
    assert len(noted.delete_others([], False, left_out)) == 1
    assert left_out.reasons == {}


def test_links_go_and_what_they_lead_to_stays(root, tmp_path, left_out):
    outside = tmp_path / "outside"
    write(outside, "precious")
    write(root, "target")
    (root / "file").symlink_to(outside / "precious")
    (root / "broken").symlink_to("nowhere")
    (root / "folder").symlink_to(outside)
    noted = LocalDestination(str(root), ALL)
    assert len(noted.delete_others(kept(root, "target"), False, left_out)) == 2
    assert names_in(root) == {"target", "folder/"}
    assert names_in(outside) == {"precious"}


def test_a_link_that_takes_the_place_of_a_directory_is_not_followed(root, tmp_path, left_out):
    write(root, "b/c/precious", "a")
    noted = LocalDestination(str(root), ALL)
    (root / "b").rename(tmp_path / "moved")  # the same files, elsewhere
    (root / "b").symlink_to(tmp_path / "moved")
    assert len(noted.delete_others([], False, left_out)) == 1
    assert names_in(tmp_path / "moved") == {"c/", "c/precious"}


def test_a_file_that_is_kept_by_a_path_through_a_link_stays(root, left_out):
    write(root, "real/x", "real/y")
    (root / "link").symlink_to("real")
    noted = LocalDestination(str(root), ALL)
    assert len(noted.delete_others(kept(root, "link/x"), False, left_out)) == 1
    assert names_in(root) == {"real/", "real/x", "link/"}


def test_a_directory_that_is_reached_through_a_link(root, tmp_path, left_out):
    write(root, "a", "b")
    (tmp_path / "way").symlink_to(root)
    noted = LocalDestination(str(tmp_path / "way"), ALL)
    assert len(noted.delete_others(kept(tmp_path / "way", "a"), False, left_out)) == 1
    assert names_in(root) == {"a"}


def test_case_and_normalization_where_the_file_system_ignores_them(root, left_out):
    write(root, "Report.TXT", "caf\u00e9/x", "other")
    noted = LocalDestination(str(root), ALL)
    names = kept(root, "report.txt", "Cafe\u0301/X")
    assert len(noted.delete_others(names, True, left_out)) == 1
    assert names_in(root) == {"Report.TXT", "caf\u00e9/", "caf\u00e9/x"}
    assert len(LocalDestination(str(root), ALL).delete_others(names, False, left_out)) == 2


def test_special_files_stay(root, left_out):
    os.mkfifo(root / "pipe")
    with open(os.fsencode(root) + b"/\xff", "wb"):
        pass
    write(root, ".metaflow.s3.abc/0", "a")
    assert len(LocalDestination(str(root), ALL).delete_others([], False, left_out)) == 1
    assert "a" not in os.listdir(root)
    assert len(os.listdir(root)) == 3
    assert left_out.reasons == {}


def test_only_temporary_directories_are_skipped(root, left_out):
    theirs = os.path.basename(tempfile.mkdtemp(prefix="metaflow.s3.", dir=root))  # as Metaflow's own class does it
    write(root, f"{theirs}/0", ".metaflow.s3.locked.abc/0", "metaflow.s3.config/a", "metaflow.s3./b")
    write(root, "metaflow.s3.datasets/c")  # named like Metaflow's own, but not private
    os.chmod(root / "metaflow.s3.datasets", 0o755)
    deleted = LocalDestination(str(root), ALL).delete_others([], False, left_out)
    assert deleted == kept(root, "metaflow.s3./b", "metaflow.s3.config/a", "metaflow.s3.datasets/c")
    assert sorted(os.listdir(root)) == [".metaflow.s3.locked.abc", theirs]


def test_undeletable_files_are_named_and_do_not_stop_the_others(root, left_out, monkeypatch):
    write(root, "a/b", "c")
    unlink = os.unlink

    def refuse(name, **given):
        if name == "b":
            raise PermissionError(13, "Permission denied")
        unlink(name, **given)

    noted = LocalDestination(str(root), ALL)
    monkeypatch.setattr(os, "unlink", refuse)
    assert len(noted.delete_others([], False, left_out)) == 1
    with pytest.raises(
        MetaflowS3Exception, match=r"Could not delete the file '.*/a/b' \(Permission denied\)\."
    ) as raised:
        left_out.raise_if_any(1, "deleted", "files")
    assert list(raised.value.failed) == [str(root / "a" / "b")]
    assert names_in(root) == {"a/", "a/b"}


def test_places_that_are_never_mirrored(root, monkeypatch):
    (root / "home").mkdir()
    monkeypatch.setenv("HOME", str(root / "home"))
    for place in ("/", str(root), str(root / "home")):
        with pytest.raises(MetaflowS3Exception, match="can't be a mirror"):
            LocalDestination(place, ALL)
    for home in ("/", str(root / "homes"), str(root) + "2"):
        monkeypatch.setenv("HOME", home)
        LocalDestination(str(root / "home"), ALL)


def listed(*names):
    return [SimpleNamespace(key=f"p/{name}", etag=ETAG) for name in names]


def test_objects_without_a_file(root):
    write(root, "a", "new", "folder/x", "Case")
    (root / "link").symlink_to("nowhere")
    odd = ["a//b", "../root/a", "a/", "x" * 300, "\0"]
    names = ["a", "b", "c/d", "new", "folder", "folder/", "gone/", "link", "", *odd]
    stored = StoredDestination("bucket", "p/", ALL, listed(*names))
    gone = ["b", "c/d", "folder", "gone/", *odd]
    assert stored.others(["a", "folder/x"], str(root)) == [("bucket", f"p/{name}", ETAG) for name in gone]
    assert [one[1] for one in stored.others(["a", "b"])] == [f"p/{name}" for name in names if name not in ("a", "b")]


def test_objects_that_are_not_selected_stay(root):
    names = ["a.csv", "b.csv", "b.txt"]
    found = StoredDestination("bucket", "p/", PathPatterns("*.csv", "a*"), listed(*names)).others([], str(root))
    assert found == [("bucket", "p/b.csv", ETAG)]


@pytest.mark.parametrize("prefix", ["", "/", "//"])
def test_no_bucket_is_a_mirror(prefix):
    with pytest.raises(MetaflowS3URLException, match="The whole bucket 's3://b' can't be a mirror"):
        check_prefix("b", prefix)
    check_prefix("b", "p/")

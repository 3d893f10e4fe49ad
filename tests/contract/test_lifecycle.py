"""Temporary files: their location, permissions and removal."""

import os
import stat
from pathlib import Path

import pytest
from case import case
from contract.verbs import KEEPING, LISTINGS, ROOTED
from metaflow import S3


def folder_of(got, tmproot):
    """The temporary directory that a downloaded object is in."""
    return tmproot / Path(got.path).resolve().relative_to(tmproot.resolve()).parts[0]


def test_leaving_the_block_removes_what_was_downloaded(make_s3, root, stored, tmproot):
    stored.put_all({"a": b"1", "b": b"2"})
    with make_s3(s3root=root) as s3:
        paths = [o.path for o in (s3.get("a"), *s3.get_many(["a", "b"]), *s3.get_all())]
        assert all(os.path.exists(path) for path in paths)
    assert not any(os.path.exists(path) for path in paths)
    assert list(tmproot.iterdir()) == []


def test_the_block_is_the_client(make_s3):
    s3 = make_s3()
    with s3 as inside:
        assert inside is s3


def test_an_error_leaves_the_block_just_as_clean(make_s3, root, stored, tmproot):
    stored.put("a", b"1")
    with pytest.raises(ZeroDivisionError), make_s3(s3root=root) as s3:
        1 // len(s3.get("a").blob[:0])
    assert list(tmproot.iterdir()) == []


def test_close_may_be_called_twice(s3, stored, tmproot):
    stored.put("a", b"1")
    s3.get("a")
    s3.close()
    s3.close()
    assert list(tmproot.iterdir()) == []


def test_after_close_every_call_still_works(make_s3, root, stored, tmproot):
    stored.put_all({"a": b"value", "dir/x": b"value"})
    for name, verb in {**KEEPING, **ROOTED}.items():
        with case(name):
            s3 = make_s3(s3root=root)
            s3.get("a")
            s3.close()

            verb(s3, "dir" if verb in LISTINGS.values() else "a")
            got = s3.get("a")

            assert got.blob == stored.blob("a")
            assert folder_of(got, tmproot).is_dir()
            s3.close()
            assert list(tmproot.iterdir()) == []


def test_fields_that_were_not_requested_are_none(s3, stored, tmproot):
    stored.put("a", b"1")
    got = s3.get_many(["a"])[0]
    assert {path for path in tmproot.rglob("*") if path.is_file()} == {Path(got.path).resolve()}


def test_only_the_owner_can_read_it(s3, stored, tmproot):
    stored.put("a", b"1")
    for got in (s3.get("a"), s3.get_many(["a"])[0]):
        assert stat.S_IMODE(folder_of(got, tmproot).stat().st_mode) == 0o700


def test_two_clients_share_no_directory(make_s3, root, stored, tmproot):
    stored.put("a", b"1")
    one, other = make_s3(s3root=root), make_s3(s3root=root)
    got_one, got_other = one.get_many(["a"])[0], other.get_many(["a"])[0]

    assert folder_of(got_one, tmproot) != folder_of(got_other, tmproot)
    one.close()
    assert not os.path.exists(got_one.path)
    assert got_other.blob == b"1"


def test_tmproot_is_the_working_directory_by_default(server, root, stored, tmproot, monkeypatch):
    stored.put("a", b"1")
    monkeypatch.chdir(tmproot)
    with S3(s3root=root, client_params=server.client_params()) as s3:
        folders = [folder_of(o, tmproot) for o in (s3.get("a"), *s3.get_many(["a"]))]
        assert all(folder.is_dir() for folder in folders)
    assert list(tmproot.iterdir()) == []


def test_a_relative_tmproot_stays_where_it_was(make_s3, root, stored, tmp_path, monkeypatch):
    # A step that changes directory still finds its files, and close still removes them.
    stored.put("a", b"1")
    (tmp_path / "here").mkdir()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    s3 = make_s3(s3root=root, tmproot=".")
    before = s3.get("a")
    monkeypatch.chdir(tmp_path / "elsewhere")
    after = s3.get_many(["a"])[0]

    assert (before.blob, after.blob) == (b"1", b"1")
    assert len(list((tmp_path / "here").iterdir())) == 1
    assert list((tmp_path / "elsewhere").iterdir()) == []
    s3.close()
    assert list((tmp_path / "here").iterdir()) == []


NASTY = {
    "escaped slashes": "%2Fetc%2Fpasswd",
    "escaped dots": "%2e%2e%2f%2e%2e%2fpasswd",
    "hidden": ".hidden",
    "dash": "-rf *",
    "variable": "$HOME `id` $(id)",
    "name of a device": "CON.txt:stream",
}
NASTY_BY_CAPABILITY = {
    "dot dot": ("../../escape", "dot-keys"),
    "only dot dot": ("..", "dot-keys"),
    "backslashes": ("..\\..\\escape", "backslash-keys"),
    "newline": ("a\nb", "newline-keys"),
    "long": ("n" * 700, "long-segment-keys"),
}


def test_no_key_leads_out_of_the_temporary_directory(s3, stored, server, tmproot):
    keys = [*NASTY.values(), *(key for key, need in NASTY_BY_CAPABILITY.values() if need not in server.lacks)]
    blobs = {f"a/{key}": str(number).encode() for number, key in enumerate(keys)}
    stored.put_all(blobs)
    for got in (*(s3.get(key) for key in blobs), *s3.get_many(blobs), *s3.get_all()):
        with case(got.key):
            assert got.blob == blobs[got.key]
            path = Path(got.path)
            assert ".." not in path.parts
            assert path.resolve().is_relative_to(tmproot.resolve())
            assert path.resolve() == path.absolute()
            # Names that any file system and any shell can live with.
            assert len(path.name.encode()) <= 255
            assert path.name.isprintable()
            assert not set(path.name) & set("/\\:*?\"'<>|$` \t\n")


def test_an_unused_client_closes(make_s3, tmproot):
    make_s3().close()
    assert list(tmproot.iterdir()) == []

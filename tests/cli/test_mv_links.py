"""Tests of moves into directories that links join: an object does not replace the file of one that is deleted."""

import os

import pytest
from cli.test_get import one_page_at_a_time

from metaflow_extensions.fasts3.cli import to_local


@pytest.mark.parametrize(("link", "target"), [("1", "2"), ("2", "1")])
def test_of_objects_listed_one_after_the_other(fasts3, here, root, stored, monkeypatch, link, target):
    monkeypatch.setattr(to_local, "listed", one_page_at_a_time)
    stored.put_all({"a/1/x": b"first", "a/2/x": b"second", "a/2/y": b"third"})
    os.makedirs(f"out/{target}")
    os.symlink(target, f"out/{link}")
    done = fasts3("mv", f"{root}/a/", "out")
    assert done.exit_code == 1
    assert f"'{root}/a/2/x' was skipped: '2/x' exists, and may be the file of another object" in done.stderr
    assert stored.blobs() == {"a/2/x": b"second"}
    assert (here / "out" / "1" / "x").read_bytes() == b"first"
    assert (here / "out" / "2" / "y").read_bytes() == b"third"


def test_of_several_sources(fasts3, here, root, stored):
    stored.put_all({"a/x": b"first", "b/l/x": b"second"})
    os.makedirs("out")
    os.symlink(".", "out/l")
    assert fasts3("mv", f"{root}/a/", f"{root}/b/", "out").exit_code == 1
    assert stored.blobs() == {"b/l/x": b"second"}
    assert (here / "out" / "x").read_bytes() == b"first"
    os.unlink("out/x")
    assert fasts3("mv", f"{root}/b/", "out").exit_code == 0  # through the link
    assert stored.blobs() == {}
    assert (here / "out" / "x").read_bytes() == b"second"

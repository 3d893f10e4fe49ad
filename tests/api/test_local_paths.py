"""Tests of the path of an object below a directory."""

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaflow_extensions.fasts3.api.errors import MetaflowS3Exception, MetaflowS3URLException
from metaflow_extensions.fasts3.api.local_paths import (
    Target,
    folded,
    ignores_case,
    is_plain,
    make_parents,
    passes_link,
    seems_a_url,
    targets,
)


def named(*names):
    return [(f"s3://bucket/p/{name}", name) for name in names]


def test_names_keep_their_structure():
    assert targets("/d", named("a", "b/c", "b/d/é ☃"), False) == [
        Target("s3://bucket/p/a", "/d/a"),
        Target("s3://bucket/p/b/c", "/d/b/c"),
        Target("s3://bucket/p/b/d/é ☃", "/d/b/d/é ☃"),
    ]


@pytest.mark.parametrize(
    "name",
    ["../x", "a/../../x", "..", ".", "a/./b", "/etc/passwd", "a//b", "a//", "/", "", "a\0b", "x" * 256, "é" * 128],
)
def test_names_that_lead_elsewhere_are_refused(name):
    with pytest.raises(MetaflowS3URLException, match="can't be a local file"):
        targets("/d", named("fine", name), False)


@given(st.lists(st.text(min_size=1, max_size=12, alphabet="ab./\\~é\0\n"), unique=True, max_size=5))
def test_no_path_leaves_the_directory(names):
    try:
        found = targets("/d", named(*names), False)
    except MetaflowS3URLException:
        return
    assert all(os.path.normpath(target.path) == target.path.rstrip("/") for target in found)
    assert all(target.path.startswith("/d/") for target in found)
    assert len({target.path for target in found}) == len(names)


@pytest.mark.parametrize(
    ("names", "ignores_case", "left_out"),
    [
        (("a", "a/b"), False, "a"),  # the directory may have many files
        (("a/b/c", "a/b"), False, "a/b"),
        (("x/y", "x/y/z/w", "x/z"), False, "x/y"),
        (("same", "same"), False, "same"),
        (("a/", "a"), False, "a/"),  # an empty directory has none
        (("a", "a/b/"), False, "a/b/"),
        (("A", "a"), True, "a"),
        (("é", "e\u0301"), True, "e\u0301"),
        (("a/B", "A/b/c"), True, "a/B"),
        (("A/", "a"), True, "A/"),
    ],
)
def test_two_keys_that_can_t_both_be_files(names, ignores_case, left_out):
    refused = {}
    found = targets("/d", named("0", *names, "z/0"), ignores_case, refused.__setitem__)
    assert list(refused) == [f"s3://bucket/p/{left_out}"]
    assert "can't both be files" in str(*refused.values())
    others = ["0", *names, "z/0"]
    others.remove(left_out)
    assert {target.path for target in found} == {f"/d/{name}" for name in others}
    if ignores_case:
        assert len(targets("/d", named(*names), False)) == len(names)
    with pytest.raises(MetaflowS3URLException, match="can't both be files"):
        targets("/d", named(*names), ignores_case)


def test_a_name_that_the_file_system_has_no_letters_for_is_refused(monkeypatch):
    monkeypatch.setattr(os, "fsencode", lambda name: name.encode("ascii"))
    refused = {}
    found = targets("/d", named("a", "é"), False, refused.__setitem__)
    assert ([one.path for one in found], list(refused)) == (["/d/a"], ["s3://bucket/p/é"])


def test_whether_a_file_system_ignores_case(tmp_path):
    (tmp_path / "probe").mkdir()
    assert ignores_case(str(tmp_path / "probe")) == os.path.exists(tmp_path / "PROBE")
    (tmp_path / "PROBE").mkdir(exist_ok=True)  # the other name is there as well, as it is where case does not count
    assert ignores_case(str(tmp_path / "probe"))


@pytest.mark.parametrize("other", ["e\u0301", "a"])
def test_whether_a_file_system_does_not_distinguish_other_names(tmp_path, other):
    (tmp_path / "probe" / other).mkdir(parents=True)  # as if that were the name that `ignores_case` has created
    assert ignores_case(str(tmp_path / "probe"))


def test_names_that_the_probe_can_t_use_are_distinct(tmp_path, monkeypatch):
    def refuse(path):
        raise UnicodeEncodeError("ascii", path, 0, 1, "no such letter")

    (tmp_path / "probe").mkdir()
    monkeypatch.setattr(os, "mkdir", refuse)
    assert ignores_case(str(tmp_path / "probe")) == os.path.exists(tmp_path / "PROBE")


def test_names_that_file_systems_do_not_distinguish():
    for one, other in (("A/b", "a/B"), ("\u00e9", "E\u0301"), ("a./b. .", "a/b"), ("a /b", "a/b")):
        assert folded(one) == folded(other)
    for one, other in (("...", ""), ("a/...", "a/"), ("a", "b"), (".a", "a"), ("a.b", "ab"), ("a. b", "a b")):
        assert folded(one) != folded(other)


def test_links_that_lead_out_are_refused(tmp_path):
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    (inside / "real").mkdir(parents=True)
    (inside / "out").symlink_to(outside)
    (inside / "in").symlink_to(inside / "real")
    make_parents(str(inside), targets(str(inside), named("in/x", "new/y"), False))
    assert (inside / "new").is_dir()
    with pytest.raises(MetaflowS3URLException, match="a symbolic link leads"):
        make_parents(str(inside), targets(str(inside), named("out/deep/x"), False))
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize(("names", "folds"), [(("a/f", "b/f"), False), (("a/f", "b/F"), True)])
def test_two_keys_that_links_lead_into_one_file(tmp_path, names, folds):
    (tmp_path / "b").mkdir()
    (tmp_path / "a").symlink_to("b")
    make_parents(str(tmp_path), targets(str(tmp_path), named("a/f", "b/g"), folds), folds)
    with pytest.raises(MetaflowS3URLException, match="can't both be files"):
        make_parents(str(tmp_path), targets(str(tmp_path), named(*names), folds), folds)


def test_a_file_that_a_link_makes_a_directory_too(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "a").symlink_to("b")
    with pytest.raises(MetaflowS3Exception, match="which is a directory"):
        make_parents(str(tmp_path), targets(str(tmp_path), named("a/f", "b/f/g"), False))


def test_whether_a_way_leads_through_a_link(tmp_path):
    (tmp_path / "d" / "a" / "b").mkdir(parents=True)
    (tmp_path / "d" / "link").symlink_to("a")
    (tmp_path / "above").symlink_to("d")
    (tmp_path / "d" / "file").symlink_to("a/x")
    for directory in (str(tmp_path / "d"), str(tmp_path / "above")):
        found = {name: passes_link(directory, f"{directory}/{name}") for name in ("a/b/x", "x", "file", "link/b/x")}
        assert found == {"a/b/x": False, "x": False, "file": False, "link/b/x": True}


def test_a_directory_in_the_place_of_a_file(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(MetaflowS3Exception, match="which is a directory") as refused:
        make_parents(str(tmp_path), targets(str(tmp_path), named("a"), False))
    assert "Remove" not in str(refused.value)  # a forgotten slash must not make users delete files


def test_a_file_in_the_place_of_a_directory(tmp_path):
    (tmp_path / "a").write_text("")
    with pytest.raises(MetaflowS3Exception, match="Could not create the directory"):
        make_parents(str(tmp_path), targets(str(tmp_path), named("a/b"), False))


def test_a_link_in_dev_is_no_file_although_stdout_is_one(tmp_path):
    code = "from metaflow_extensions.fasts3.api.local_paths import *; print(unlike_a_file('/dev/stdout'))"
    with open(tmp_path / "out", "wb") as out:
        subprocess.run([sys.executable, "-c", code], stdout=out, check=True)
    assert (tmp_path / "out").read_text() == "device\n"


def test_paths_that_are_probably_urls():
    urls = ("s3://b/k", "s3:/b/k", "s3:b", "S3://b", "s3//b/k", "gs://b", "file:///x", "HTTPS://x")
    paths = ("s3", "s3/b", "a/s3://b", "./s3://b", "/s3:/b", "c:/x", "a:b", "12:/x", "a b:/", "")
    assert [one for one in urls + paths if seems_a_url(one)] == list(urls)


def test_control_characters_do_not_reach_a_terminal():
    with pytest.raises(MetaflowS3URLException) as refused:
        targets("/d", [("s3://b/\x1b[2J/../x", "\x1b[2J/../x")], False)
    assert "\x1b" not in str(refused.value)


@pytest.mark.parametrize("name", ["a", "a/b", ".a", "a/..b/c", "...", "a b/c~", "x" * 255])
def test_plain_names(name):
    assert is_plain(name)
    assert targets("/d", named(name), False) == [Target(f"s3://bucket/p/{name}", f"/d/{name}")]


@pytest.mark.parametrize("name", ["", "/", "a/", "/a", "a//b", ".", "..", "a/./b", "a/..", "a\0", "é", "x" * 256])
def test_names_that_are_not_plain(name):
    assert not is_plain(name)

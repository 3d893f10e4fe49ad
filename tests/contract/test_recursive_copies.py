"""`S3.copy_recursive`: patterns, what the target has already, mirrors and dry runs."""

import pytest
from contract.trees import TREE
from metaflow.datatools.s3 import (
    MetaflowS3Exception,
    MetaflowS3InvalidObject,
    MetaflowS3NotFound,
    MetaflowS3URLException,
)

from metaflow_extensions.fasts3.api import recursive_copies

pytestmark = pytest.mark.usefixtures("remote")  # the tree below 'm'


def below(stored, prefix):
    return {key[len(prefix) :]: stored.blob(key) for key in stored.list() if key.startswith(prefix)}


def names(pairs):
    return [key.partition("/")[2] for key, _ in pairs]


def test_unchanged_objects_are_not_copied_again(s3, root, stored):
    assert names(s3.copy_recursive("m", "c")) == sorted(TREE)
    stored.put("m/0.txt", b"new!")
    stored.put("m/new", b"new")
    found = s3.copy_recursive("m", "c", compare=True)
    assert found == [("c/0.txt", f"{root}/c/0.txt"), ("c/new", f"{root}/c/new")]
    assert found.unchanged == [(f"c/{name}", f"{root}/c/{name}") for name in sorted(TREE) if name != "0.txt"]
    assert found.deleted == []
    assert below(stored, "c/") == {**TREE, "0.txt": b"new!", "new": b"new"}


def test_without_comparison_all_are_copied(s3, stored, monkeypatch):
    """A newer object of the target may have the same size and not be a copy of this source, but of an earlier one."""
    monkeypatch.setattr(recursive_copies, "_is_copy", lambda source, copy: True)
    stored.put("c/0.txt", b"ZERO")
    found = s3.copy_recursive("m", "c")
    assert names(found) == sorted(TREE)
    assert found.unchanged == []
    assert below(stored, "c/") == TREE


@pytest.mark.parametrize(("prefix", "target"), [("m", "m/b"), ("m/b", "m")])
def test_an_object_is_copied_before_another_one_replaces_it(s3, stored, prefix, target):
    moved = {"m/b/b/1.csv": b"deep", "m/b/1.csv": b"middle", "m/b/b/b/1.csv": b"deepest", "m/1.csv": b"top"}
    stored.put_all(moved)
    before = {key: blob for key, blob in stored.blobs().items() if key.startswith(f"{prefix}/")}
    s3.copy_recursive(prefix, target)
    after = stored.blobs()
    assert {key: after[target + key[len(prefix) :]] for key in before} == before


def test_an_object_whose_copy_fails_is_not_replaced(s3, root, stored):
    source = s3.info("m/0.txt")
    stored.put("m/0.txt", b"changed since")
    with pytest.raises(MetaflowS3Exception) as raised:
        s3.copy_many([("m/b/1.csv", "m/empty"), ("m/empty", "m/0.txt"), (source, "c")])
    assert set(raised.value.failed) == {f"{root}/m/0.txt", f"{root}/m/empty"}
    assert raised.value.result == []
    assert below(stored, "m/") == {**TREE, "0.txt": b"changed since"}


def test_objects_do_not_replace_each_other(s3, stored):
    with pytest.raises(MetaflowS3InvalidObject, match="would replace each other"):
        s3.copy_many([("m/0.txt", "m/empty"), ("m/empty", "m/0.txt")])
    assert below(stored, "m/") == TREE


@pytest.mark.needs("copies-replace-headers", "copies-onto-themselves")
def test_headers_are_changed_in_place(s3, stored):
    assert names(s3.copy_recursive("m", "m", content_type="text/x-new")) == sorted(TREE)
    assert {stored.head(key)["ContentType"] for key in stored.list()} == {"text/x-new"}


def test_different_objects_are_copied_from_the_source(s3, stored):
    """Objects of the same size with a newer target are compared by ETags, unless one is encrypted with KMS."""
    stored.put("c/0.txt", b"ZERO")
    assert "0.txt" in names(s3.copy_recursive("m", "c", compare=True))
    assert stored.blob("c/0.txt") == TREE["0.txt"]


def test_etags_do_not_count_where_objects_are_encrypted(s3, stored, monkeypatch):
    stored.put("c/0.txt", b"ZERO")
    with_other_etags = recursive_copies.RecursiveCopyMethods._with_other_etags
    compared = []

    def encrypted(self, pairs, *places):
        compared.extend(pair.name for pair in pairs)
        assert with_other_etags(self, pairs, *places) == set()
        return {pair.name for pair in pairs}

    monkeypatch.setattr(recursive_copies.RecursiveCopyMethods, "_with_other_etags", encrypted)
    monkeypatch.setattr(recursive_copies, "_is_copy", lambda source, copy: None)
    assert "0.txt" not in names(s3.copy_recursive("m", "c", compare=True))
    assert compared == ["0.txt"]
    assert stored.blob("c/0.txt") == b"ZERO"


def test_patterns_choose_objects(s3, stored):
    assert names(s3.copy_recursive("m", "c", include="*.csv")) == ["b/1.csv"]
    assert names(s3.copy_recursive("m", "d", exclude=["b/*", "empty"])) == ["0.txt"]
    assert s3.copy_recursive("m", "e", include="*.typo") == []
    assert stored.list() == {*(f"m/{name}" for name in TREE), "c/b/1.csv", "d/0.txt"}


def test_without_overwriting_what_exists_is_left(s3, stored):
    stored.put("c/0.txt", b"mine")
    found = s3.copy_recursive("m", "c", overwrite=False)
    assert names(found) == sorted(set(TREE) - {"0.txt"})
    assert names(found.unchanged) == ["0.txt"]
    assert below(stored, "c/") == {**TREE, "0.txt": b"mine"}


def test_a_prefix_becomes_a_mirror(s3, root, stored, own_bucket, bare):
    stored.put_all({"c/extra": b"", "c/b/c/extra": b"", "c2/x": b"", "c.x": b""})
    found = s3.copy_recursive("m", "c", delete=True)
    assert found.deleted == [f"{root}/c/b/c/extra", f"{root}/c/extra"]
    assert below(stored, "c/") == TREE
    assert {"c2/x", "c.x"} < stored.list()
    own_bucket.put("to/extra", b"")
    bare.copy_recursive(f"{root}/m", f"s3://{own_bucket.bucket}/to", delete=True)
    assert below(own_bucket, "to/") == TREE


def test_excluded_objects_stay(s3, stored):
    stored.put_all({"c/x.log": b"1", "c/x.csv": b"3"})
    assert names(s3.copy_recursive("m", "c", include=["*.csv", "0*"], delete=True)) == ["0.txt", "b/1.csv"]
    assert sorted(below(stored, "c/")) == ["0.txt", "b/1.csv", "x.log"]


def test_a_mirror_of_nothing(s3, stored):
    stored.put("c/a", b"1")
    with pytest.raises(MetaflowS3NotFound, match="No objects under") as raised:
        s3.copy_recursive("none", "c", delete=True)
    assert raised.value.result == []
    with pytest.raises(MetaflowS3Exception, match="has nothing to transfer, so a mirror"):
        s3.copy_recursive("m", "c", include="*.typo", delete=True)
    assert below(stored, "c/") == {"a": b"1"}
    assert s3.copy_recursive("none", "c", allow_empty=True) == []
    assert len(s3.copy_recursive("none", "c", delete=True, allow_empty=True).deleted) == 1
    assert below(stored, "c/") == {}


def test_mirrors_that_are_refused(s3, bare, root, own_bucket, stored):
    for prefix, target in (("m", "m/c"), ("m/b", "m"), ("m", "m")):
        with pytest.raises(MetaflowS3InvalidObject):
            s3.copy_recursive(prefix, target, delete=True)
    own_bucket.put("precious", b"1")
    with pytest.raises(MetaflowS3URLException, match="whole bucket"):
        bare.copy_recursive(f"{root}/m", f"s3://{own_bucket.bucket}", delete=True)
    assert own_bucket.list() == {"precious"}
    assert below(stored, "m/") == TREE


def test_no_object_is_deleted_if_one_can_t_be_copied(s3, root, stored):
    stored.put("m/" + "x" * 100, b"1")
    long = "/".join(["y" * 200] * 4)
    stored.put(f"{long}/extra", b"1")
    target = f"{long}/{'z' * 120}"
    stored.put(f"{target}/extra", b"1")
    with pytest.raises(MetaflowS3URLException) as raised:
        s3.copy_recursive("m", target, delete=True)
    assert list(raised.value.failed) == [f"{root}/m/{'x' * 100}"]
    assert len(raised.value.result) == len(TREE)
    assert f"{target}/extra" in stored.list()


def test_a_dry_run_changes_nothing(s3, root, stored):
    stored.put_all({"c/0.txt": TREE["0.txt"], "c/extra": b""})
    before = stored.blobs()
    found = s3.copy_recursive("m", "c", delete=True, dry_run=True, compare=True)
    assert names(found) == sorted(set(TREE) - {"0.txt"})
    assert names(found.unchanged) == ["0.txt"]
    assert found.deleted == [f"{root}/c/extra"]
    assert stored.blobs() == before
    found = s3.copy_many([("m/empty", "c/extra"), ("m/empty", "c/new")], overwrite=False, dry_run=True)
    assert (names(found), names(found.unchanged)) == (["new"], ["extra"])
    assert s3.copy_many([("m/empty", "c/extra")], dry_run=True) == [("c/extra", f"{root}/c/extra")]
    assert stored.blobs() == before

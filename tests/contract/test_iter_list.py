"""`S3.iter_list`: objects with their details, while they are listed."""

import glob
from itertools import islice

import pytest
from metaflow.datatools.s3 import MetaflowS3Exception, MetaflowS3NotFound, MetaflowS3URLException

TREE = {"a/0.txt": b"0", "a/b/1.txt": b"11", "a/b/2.csv": b"", "a/c/3.csv": b"333", "ab/4.csv": b"4", "z": b"zz"}


@pytest.fixture
def tree(stored):
    stored.put_all(TREE)


def keys(found):
    return [one.key for one in found]


@pytest.mark.usefixtures("tree")
def test_it_yields_what_list_recursive_returns(s3):
    for prefixes in (None, ["a"], ["ab", "a/"], ["nothing"], []):
        listed, found = s3.list_recursive(prefixes), list(s3.iter_list(prefixes))
        assert [(one.url, one.key, one.size) for one in found] == [(one.url, one.key, one.size) for one in listed]


@pytest.mark.usefixtures("tree")
def test_one_level_is_what_list_paths_returns(s3):
    for prefixes in (None, ["a"], ["ab", "a/"], ["nothing"], []):
        listed, found = s3.list_paths(prefixes), list(s3.iter_list(prefixes, recursive=False))
        assert [(one.url, one.key, one.size, one.exists) for one in found] == [
            (one.url, one.key, one.size, one.exists) for one in listed
        ]


@pytest.mark.usefixtures("tree")
def test_the_details_of_objects(s3, root, stored):
    for one in s3.iter_list():
        head = stored.head(one.key)
        assert (one.prefix, one.exists, one.downloaded, one.has_info) == (root, True, False, True)
        assert (one.etag, one.last_modified) == (head["ETag"], int(head["LastModified"].timestamp()))
        assert one.storage_class == "STANDARD"
        assert (one.content_type, one.metadata, one.range_info, one.version_id) == (None, None, None, None)
    assert {one.storage_class for one in s3.iter_list(recursive=False) if not one.exists} == {None}


@pytest.mark.usefixtures("tree")
def test_full_urls(bare, root):
    found = list(bare.iter_list([f"{root}/a/b"]))
    assert [(one.url, one.prefix, one.key) for one in found] == [
        (f"{root}/a/b/1.txt", f"{root}/a/b", "1.txt"),
        (f"{root}/a/b/2.csv", f"{root}/a/b", "2.csv"),
    ]


@pytest.mark.usefixtures("tree")
@pytest.mark.parametrize(
    ("prefixes", "patterns", "found"),
    [
        (None, {"include": "*.csv"}, ["a/b/2.csv", "a/c/3.csv", "ab/4.csv"]),
        (None, {"include": "a*", "exclude": "*.csv"}, ["a/0.txt", "a/b/1.txt"]),
        (["a"], {"include": ["b/*", "c/*"], "exclude": ["*.txt"]}, ["b/2.csv", "c/3.csv"]),
        (["a", "ab"], {"exclude": "[0-2]*"}, ["b/1.txt", "b/2.csv", "c/3.csv", "4.csv"]),
        (["a"], {"include": []}, []),
        (["a"], {"exclude": "*"}, []),
        (["a"], {"include": "b/1.txt"}, ["b/1.txt"]),
    ],
)
def test_patterns(s3, prefixes, patterns, found):
    assert keys(s3.iter_list(prefixes, **patterns)) == found


@pytest.mark.usefixtures("tree")
@pytest.mark.parametrize(
    ("patterns", "found"),
    [
        ({"include": "a*"}, ["a", "ab"]),
        ({"include": "ab*"}, ["ab"]),
        ({"include": "*/1.txt"}, ["a", "ab"]),
        ({"include": "a/b/*"}, ["a"]),
        ({"exclude": "a/*"}, ["ab", "z"]),
        ({"include": "[z]"}, ["z"]),
    ],
)
def test_patterns_of_one_level_select_the_directories_of_what_they_match(s3, patterns, found):
    assert keys(s3.iter_list(recursive=False, **patterns)) == found


def test_names_that_begin_with_a_text(s3, stored):
    stored.put_all(dict.fromkeys(["part-0", "part-1", "part[0", "part[0]", "parts/2"], b""))
    assert keys(s3.iter_list(include="part-*")) == ["part-0", "part-1"]
    assert keys(s3.iter_list(include=glob.escape("part[0") + "*")) == ["part[0", "part[0]"]


def test_the_server_lists_only_what_the_beginning_allows(s3, stored, monkeypatch):
    stored.put_all(dict.fromkeys(["a/x1", "a/x2", "a/y"], b""))
    prefixes = []
    pages = type(s3)._pages

    def watched(client, listing):
        prefixes.append(listing.prefix[len(stored.prefix) :])
        return pages(client, listing)

    monkeypatch.setattr(type(s3), "_pages", watched)
    assert keys(s3.iter_list(["a"], include=["x1*", "x2*"])) == ["x1", "x2"]
    assert keys(s3.iter_list(include="a/x*", recursive=False)) == ["a"]
    assert prefixes == ["a/x", "a"]


def test_the_loop_begins_with_the_first_page(s3, stored, monkeypatch):
    s3.put_many((f"many/{number:05}", b"") for number in range(2345))
    requests = []
    run = s3._executor.run
    monkeypatch.setattr(s3._executor, "run", lambda plan, *args, **kwargs: requests.append(plan) or run(plan, *args))
    assert keys(islice(s3.iter_list(["many"]), 1000)) == [f"{number:05}" for number in range(1000)]
    assert len(requests) == 1
    assert len(list(s3.iter_list(["many"]))) == 2345


def test_invalid_arguments_raise_at_once(s3, bare):
    for call in (
        lambda: s3.iter_list(["s3://bucket/full"]),
        lambda: bare.iter_list(["a"]),
        bare.iter_list,
        lambda: s3.iter_list("a"),
    ):
        with pytest.raises(MetaflowS3URLException):
            call()
    for wrong in ({"include": 5}, {"exclude": [None]}, {"recursive": "no"}):
        with pytest.raises(MetaflowS3Exception):
            s3.iter_list(["a"], **wrong)


def test_a_missing_bucket_raises_in_the_loop(bare):
    found = bare.iter_list(["s3://there-is-no-such-bucket-here/a"])
    with pytest.raises(MetaflowS3NotFound):
        next(found)

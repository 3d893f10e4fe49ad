"""Which paths `include` and `exclude` select."""

from glob import escape

import pytest
from metaflow.datatools.s3 import MetaflowS3Exception

from metaflow_extensions.fasts3.api.path_patterns import PathPatterns

NAMES = ["a.csv", "a.txt", "b/a.csv", "b/c/d.bin", ".hidden", "A.CSV", "[x]"]


@pytest.mark.parametrize(
    ("include", "exclude", "selected"),
    [
        (None, None, NAMES),
        ("*.csv", None, ["a.csv", "b/a.csv"]),
        (None, "*.csv", ["a.txt", "b/c/d.bin", ".hidden", "A.CSV", "[x]"]),
        (["*.csv", "b/*"], "b/a*", ["a.csv", "b/c/d.bin"]),
        (("a.*",), [], ["a.csv", "a.txt"]),
        ([], None, []),
        (None, "*", []),
        ("[[]x]", None, ["[x]"]),
        (iter(["a.csv"]), iter(["b/*"]), ["a.csv"]),
    ],
)
def test_selected_paths(include, exclude, selected):
    patterns = PathPatterns(include, exclude)
    assert [name for name in NAMES if patterns.select(name)] == selected
    assert [name for name in NAMES if patterns.select(name)] == selected  # an iterator is read once


@pytest.mark.parametrize(
    ("include", "exclude", "folder", "may"),
    [
        (None, None, "a/", True),
        ("a/*", None, "a/b/", True),
        ("a/b/c", None, "a/", True),
        ("a/*", None, "b/", False),
        ("*.csv", None, "b/", True),
        (None, "a/*", "a/", False),
        (None, "a/*", "b/", True),
        (None, "*.csv", "a/", True),
        ("[[]x/*", None, "[x/", True),
        ("[[]x/*", None, "b/", False),
    ],
)
def test_which_directories_matter(include, exclude, folder, may):
    assert PathPatterns(include, exclude).may_select_below(folder) is may


@pytest.mark.parametrize(
    ("include", "beginning"),
    [
        (None, ""),
        ("data/2024-*.csv", "data/2024-"),
        (["ab*", "ac?", "a"], "a"),
        ("a.csv", "a.csv"),
        ("a[bc]d", "a"),
        ("a[[]b[*]c[?]*", "a[b*c?"),
        ("a[!b]c", "a"),
        ("a[]]c", "a"),
        ("a[b", "a"),
        ("a\nb*", "a\nb"),
        ([], ""),
    ],
)
def test_how_all_selected_paths_begin(include, beginning):
    assert PathPatterns(include, "x").beginning == beginning


@pytest.mark.parametrize("text", ["a*b", "[", "a[b]c", "?", "é\n"])
def test_an_escaped_text_is_its_own_beginning(text):
    patterns = PathPatterns(f"{escape(text)}*", None)
    assert patterns.beginning == text
    assert patterns.select(f"{text}x")
    assert not patterns.select(f"x{text}")


@pytest.mark.parametrize("given", [5, b"*", [b"*"], ["*", None], True])
def test_invalid_patterns(given):
    with pytest.raises(MetaflowS3Exception, match=r"^include is .* Give a pattern such as"):
        PathPatterns(given, None)
    with pytest.raises(MetaflowS3Exception, match=r"^exclude is "):
        PathPatterns(None, given)

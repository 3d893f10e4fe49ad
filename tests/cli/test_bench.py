"""Tests of ``metaflow fasts3 bench``."""

import json

import metaflow.metaflow_config as configuration
import pytest
from metaflow import S3
from metaflow.exception import MetaflowException

from metaflow_extensions.fasts3.cli import bench
from metaflow_extensions.fasts3.cli.bench import Case, cases
from metaflow_extensions.fasts3.cli.options import Size

WHAT = {"objects": 20, "size": 1000, "rounds": 3}


def test_it_measures_and_leaves_nothing(fasts3, here, root, stored):
    done = fasts3("bench", "--root", root, "--objects", "20", "--size", "1KB", "--json")
    assert (done.exit_code, done.stderr) == (0, "")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["operation"] for one in lines] == ["put", "get", "delete"]
    for one in lines:
        assert {name: one[name] for name in WHAT} == WHAT
        # Both are rounded.
        assert one["objects_per_second"] == pytest.approx(20 / one["seconds"], rel=0.1)
    assert lines[0]["bytes_per_second"] == pytest.approx(20_000 / lines[0]["seconds"], rel=0.1)
    assert lines[2]["bytes_per_second"] is None
    assert stored.list() == set()
    assert list(here.iterdir()) == []


def test_as_text_below_the_configured_place(fasts3, root, stored, monkeypatch):
    monkeypatch.setattr(configuration, "DATATOOLS_S3ROOT", root)
    monkeypatch.setattr(bench, "QUICK_SMALL", Case(5, 10))
    monkeypatch.setattr(bench, "QUICK_LARGE", Case(1, 2**20))
    first, *lines = fasts3("bench", "--quick").stdout.splitlines()
    assert first.startswith(f"{root}/fasts3-bench-")
    assert first.endswith(", by wire")
    assert [line.split()[:4] for line in lines[:3]] == [["5", "x", "10", "bytes"]] * 3
    assert [line.split()[:4] for line in lines[3:]] == [["1", "x", "1.0", "MiB"]] * 3
    assert stored.list() == set()


def test_a_failure_in_between_leaves_nothing(fasts3, root, stored, monkeypatch):
    def fail(*_):
        assert stored.list()  # there is something to be removed
        raise KeyboardInterrupt

    monkeypatch.setattr(bench, "_get", fail)
    done = fasts3("bench", "--root", root, "--objects", "5")
    assert done.exit_code == 130
    assert stored.list() == set()


def test_without_a_url_the_error_has_a_remedy(fasts3, monkeypatch):
    monkeypatch.setattr(configuration, "DATATOOLS_S3ROOT", None)
    done = fasts3("bench")
    assert done.exit_code == 2
    assert "Give --root s3://bucket/prefix" in done.stderr


def test_a_setting_that_is_no_place_is_named(fasts3, monkeypatch):
    monkeypatch.setattr(configuration, "DATATOOLS_S3ROOT", "metaflow/data")
    done = fasts3("bench")
    assert done.exit_code == 1
    assert "METAFLOW_DATATOOLS_S3ROOT=s3://" in done.stderr


def test_the_first_failure_is_reported_if_cleanup_fails_too(fasts3, root, stored, monkeypatch):
    def fail(*_):
        raise MetaflowException("This came first.")

    def refuse(*_):
        raise MetaflowException("This came second.")

    monkeypatch.setattr(S3, "put_many", fail)
    monkeypatch.setattr(S3, "delete_many", refuse)
    done = fasts3("bench", "--root", root, "--objects", "5")
    assert done.exit_code == 1
    assert done.stderr.endswith("Error: This came first.\n")
    assert f"Objects may remain below {root}/fasts3-bench-" in done.stderr


@pytest.mark.parametrize(
    ("text", "size"), [("0", 0), ("1000", 1000), ("1KB", 1000), ("1.5 MiB", 1572864), ("2g", 2 * 10**9)]
)
def test_sizes_are_read(text, size):
    assert Size().convert(text, None, None) == size


@pytest.mark.parametrize("text", ["x", "-1", "1TB", "6GiB", "1 2"])
def test_an_invalid_size_is_bad_usage(fasts3, text):
    assert fasts3("bench", "--root", "s3://b/x", "--size", text).exit_code == 2


def test_few_large_objects():
    assert cases(None, 2**30, quick=False) == [Case(1, 2**30)]
    assert cases(None, 10, quick=False) == [Case(1000, 10)]
    assert cases(7, None, quick=False) == [Case(7, 1000)]
    assert len(cases(None, None, quick=True)) == 2


def test_a_bucket_that_does_not_exist_has_nothing_to_remove(fasts3, monkeypatch):
    removed = []
    monkeypatch.setattr(S3, "delete_many", lambda _, urls: removed.append(urls))
    done = fasts3("bench", "--quick", "--root", "s3://no-such-bucket-here/tmp")
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: PutObject of s3://no-such-bucket-here/tmp/fasts3-bench-")
    assert done.stderr.count("\n") == 1
    assert removed == []


def test_a_first_request_without_a_response_may_have_stored_an_object(fasts3, root, stored, monkeypatch):
    kept = S3.put

    def lose(*given):
        kept(*given)
        raise MetaflowException("The response was lost.")

    monkeypatch.setattr(S3, "put", lose)
    assert fasts3("bench", "--root", root, "--objects", "5").exit_code == 1
    assert stored.list() == set()

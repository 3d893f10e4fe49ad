"""Tests of ``metaflow fasts3 uploads``."""

import json
from types import SimpleNamespace

import pytest
from metaflow import metaflow_config
from servers.s3_server import S3Server

from metaflow_extensions.fasts3.api import uploads as api_uploads
from metaflow_extensions.fasts3.cli import uploads
from metaflow_extensions.fasts3.wire.failures import Code, Failure, TransferError
from metaflow_extensions.fasts3.workers.performer import Performer

KEYS = ("data/a b+é", "data/sub/b", "data", "data2", "other")


@pytest.fixture
def begun(oracle, server, prefix):
    """Open uploads, one of each key but two of the first: their ids by keys."""
    ids = {}
    for key in (*KEYS, KEYS[0]):
        opened = oracle.create_multipart_upload(Bucket=server.bucket, Key=f"{prefix}/{key}")
        ids.setdefault(key, set()).add(opened["UploadId"])
    yield ids
    for key, upload_id in ((key, one) for key, some in ids.items() for one in some):
        oracle.abort_multipart_upload(Bucket=server.bucket, Key=f"{prefix}/{key}", UploadId=upload_id)


@pytest.fixture
def still_open(oracle, server, prefix):
    def look():
        rows = oracle.list_multipart_uploads(Bucket=server.bucket, Prefix=prefix).get("Uploads", [])
        return sorted(row["Key"][len(prefix) + 1 :] for row in rows)

    return look


@pytest.fixture
def pages_of_two(monkeypatch):
    """Have each page hold two uploads."""
    monkeypatch.setattr("metaflow_extensions.fasts3.wire.open_uploads.MOST_UPLOADS", 2)


@pytest.mark.parametrize("transfers", ["wire", "boto3"])
@pytest.mark.parametrize(
    ("url", "keys"),
    [
        ("data", ["data", KEYS[0], KEYS[0], "data/sub/b"]),
        ("data/", [KEYS[0], KEYS[0], "data/sub/b"]),
        ("data*", ["data", KEYS[0], KEYS[0], "data/sub/b", "data2"]),
        ("none", []),
    ],
)
def test_open_uploads_are_listed_page_by_page(fasts3, begun, root, url, keys, transfers, monkeypatch, pages_of_two):
    monkeypatch.setattr(metaflow_config, "S3_TRANSFERS", transfers)
    done = fasts3("uploads", "--json", "--root", root, url)
    assert done.exit_code == 0
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert sorted(row["url"] for row in rows) == sorted(f"{root}/{key}" for key in keys)
    assert all(row["upload_id"] in begun[row["url"][len(root) + 1 :]] for row in rows)
    assert all(row["initiated"].endswith("Z") for row in rows)
    assert ("No open multipart uploads" in done.stderr) == (not keys)


def test_lines_for_people(fasts3, begun, root):
    [line] = fasts3("uploads", f"{root}/other").stdout.splitlines()
    time, age, upload_id, url = line.split()
    assert time.endswith("Z")
    assert age[-1] in "sm"
    assert ({upload_id}, url) == (begun["other"], f"{root}/other")


@pytest.mark.parametrize("transfers", ["wire", "boto3"])
def test_old_ones_are_aborted_and_others_are_left_alone(fasts3, begun, root, still_open, transfers, monkeypatch):
    monkeypatch.setattr(metaflow_config, "S3_TRANSFERS", transfers)
    young = fasts3("uploads", "--abort", "--older-than", "1h", "--yes", f"{root}/data")
    assert (young.exit_code, len(still_open())) == (0, len(KEYS) + 1)
    assert "No open multipart uploads started at least 1h ago" in young.stderr
    done = fasts3("uploads", "--abort", "--older-than", "0s", "--yes", "--json", f"{root}/data")
    assert (done.exit_code, still_open()) == (0, ["data2", "other"])
    assert [json.loads(line)["aborted"] for line in done.stdout.splitlines()] == [True] * 4
    assert done.stderr == "Aborted 4 multipart uploads.\n"


def test_the_server_s_clock_decides_on_ages(fasts3, begun, root, monkeypatch):
    """Ours may be wrong by days."""
    monkeypatch.setattr(api_uploads.time, "time", lambda: 4e9)
    assert fasts3("uploads", "--older-than", "1h", f"{root}/data").stdout == ""


@pytest.mark.parametrize("transfers", ["wire", "boto3"])
def test_refused_uploads_are_named_and_the_others_are_aborted(fasts3, begun, root, still_open, transfers, monkeypatch):
    monkeypatch.setattr(metaflow_config, "S3_TRANSFERS", transfers)
    real = Performer._call_transfers

    def attempt(performer, job, *given):
        if job.operation == "abort_upload" and job.key.endswith("sub/b"):
            raise TransferError(Failure(Code.ACCESS_DENIED, "no", "AccessDenied", 403))
        return real(performer, job, *given)

    with monkeypatch.context() as patched:
        patched.setattr(Performer, "_call_transfers", attempt)
        done = fasts3("uploads", "--abort", "--older-than", "0s", "--yes", f"{root}/data")
    assert done.exit_code == 1
    assert f"{root}/data/sub/b (upload id " in done.stderr
    assert "AccessDenied: no" in done.stderr
    assert "Aborted 3 multipart uploads." in done.stderr
    assert "1 of the multipart uploads could not be aborted." in done.stderr
    assert still_open() == ["data/sub/b", "data2", "other"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{root}/data", "--abort", "--yes"], "--abort needs --older-than"),
        (["{root}/data", "--abort", "--older-than", "0s"], "needs a confirmation, but there is no terminal"),
        (["{root}/data", "--older-than", "7"], "Give a number and a unit"),
        (["{root}/data", "--older-than", "-1d"], "Give a number and a unit"),
        (["{root}/data", "{root}/other"], "takes one URL"),
        (["", "--root", "{root}"], "An argument is empty"),
        ([], "Give a URL"),
        *(
            ([*where, "--abort", "--older-than", "0s", "--yes"], "a whole bucket, whose uploads are not aborted")
            for where in (
                ["s3://{bucket}"],
                ["s3://{bucket}/"],
                ["s3://{bucket}/*"],
                ["s3://{bucket}/?*"],
                ["s3://{bucket}/[a-z]*"],
                ["--root", "s3://{bucket}"],
                ["--root", "s3://{bucket}", "*"],
            )
        ),
    ],
)
def test_invalid_options_raise_before_the_confirmation(
    fasts3, begun, root, server: S3Server, still_open, arguments, message
):
    done = fasts3("uploads", *(one.format(root=root, bucket=server.bucket) for one in arguments))
    assert done.exit_code == 2
    assert message in " ".join(done.stderr.split())
    assert len(still_open()) == len(KEYS) + 1


@pytest.mark.parametrize("reply", ["n\n", "y\n"])
def test_a_terminal_confirms(fasts3, begun, root, still_open, monkeypatch, reply):
    terminal = SimpleNamespace(isatty=lambda: True)
    monkeypatch.setattr(uploads, "sys", SimpleNamespace(stdin=terminal))
    confirmed = []
    monkeypatch.setattr(uploads.click, "confirm", lambda text, err: confirmed.append((text, err)) or reply == "y\n")
    done = fasts3("uploads", "--abort", "--older-than", "0s", f"{root}/data")
    assert done.exit_code == 0
    assert confirmed == [(f"Abort 4 multipart uploads at or below {root}/data?", True)]
    assert len(still_open()) == (2 if reply == "y\n" else len(KEYS) + 1)


def test_quiet_prints_no_summary(fasts3, begun, root, still_open):
    assert fasts3("uploads", "--quiet", f"{root}/none").stderr == ""
    done = fasts3("uploads", "-q", "--abort", "--older-than", "0s", "--yes", f"{root}/data")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "")
    assert still_open() == ["data2", "other"]

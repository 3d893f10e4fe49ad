"""Tests of output to stderr: if it can't be written, calls continue."""

import errno
import io
import os
import subprocess
import sys
import warnings

import pytest
from metaflow import S3, metaflow_config
from metaflow.datatools.s3 import MetaflowS3NotFound

from metaflow_extensions.fasts3.api.standard_error import is_terminal, warn, write_line
from metaflow_extensions.fasts3.wire.failures import Code, Failure, TransferError
from metaflow_extensions.fasts3.wire.log import log
from metaflow_extensions.fasts3.workers.performer import Performer


class Failing(io.StringIO):
    """A stream that can't be written to."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def write(self, text):
        raise self.error

    flush = isatty = lambda self: self.write("")


def closed():
    stream = io.StringIO()
    stream.close()
    return stream


STREAMS = {
    "none": lambda: None,
    "closed": closed,
    "full": lambda: Failing(OSError(errno.ENOSPC, "No space left on device")),
    "without a reader": lambda: Failing(BrokenPipeError(errno.EPIPE, "Broken pipe")),
    "of the user's own": lambda: Failing(ZeroDivisionError("a defect of theirs")),
}


@pytest.fixture(params=list(STREAMS))
def no_stderr(request, monkeypatch):
    monkeypatch.setattr(sys, "stderr", STREAMS[request.param]())
    return request.param


def test_output_that_can_not_be_written_is_dropped(no_stderr, capfd, monkeypatch):
    monkeypatch.setattr(log, "propagate", False)  # pytest's own handlers, which keep what they get
    write_line("line")
    log.warning("logged")
    assert not is_terminal()
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), ValueError("closed file")])
def test_a_warning_that_can_not_be_shown_is_lost(error, monkeypatch):
    shown = []

    def show(message, *_, **__):
        shown.append(str(message))
        raise error

    monkeypatch.setattr(warnings, "showwarning", show)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warn("warned", 1)
    assert shown == ["warned"]


def test_a_warning_that_is_an_error_to_the_user_is_raised():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="warned"):
            warn("warned", 1)


def test_without_stderr_retries_are_not_reported(no_stderr, seaweedfs, prefix, tmp_path, monkeypatch, capfd):
    """A success stays one, and an error the same one."""
    monkeypatch.setattr(metaflow_config, "S3_LOG_TRANSIENT_RETRIES", True)
    real, failed = Performer._call_transfers, set()

    def attempt(performer, job, *given):
        if job.operation in ("put", "get") and job.url not in failed:
            failed.add(job.url)
            raise TransferError(Failure(Code.BUSY, "", "SlowDown", 500))
        return real(performer, job, *given)

    monkeypatch.setattr(Performer, "_call_transfers", attempt)
    root = f"s3://{seaweedfs.bucket}/{prefix}"
    with S3(s3root=root, client_params=seaweedfs.client_params(), tmproot=str(tmp_path)) as client:
        assert client.put("k", "value") == f"{root}/k"
        with pytest.raises(MetaflowS3NotFound):
            client.get("missing")
    assert failed == {f"{root}/k", f"{root}/missing"}
    assert capfd.readouterr().out == ""


WORKER = """
import os, sys
with open(sys.argv[1], "wb") as data:
    assert data.fileno() == 2
    from metaflow_extensions.fasts3.workers.worker_process import WorkerProcess
    worker = WorkerProcess()
    list(worker.outcomes())
    sys.stdout.write(os.readlink(f"/proc/{worker.pid}/fd/2"))
"""


def test_a_worker_does_not_write_into_a_file_that_is_where_stderr_was(tmp_path):
    command = ["sh", "-c", 'exec "$0" -c "$1" "$2" 2>&-', sys.executable, WORKER, tmp_path / "data"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout == os.devnull

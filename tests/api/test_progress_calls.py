"""Tests of the progress of whole calls: the user's function, and the output on a terminal."""

import contextlib
import gc
import os
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from api.terminal import Terminal
from metaflow import S3
from metaflow.datatools.s3 import MetaflowS3Exception, MetaflowS3NotFound

from metaflow_extensions.fasts3.api import executor
from metaflow_extensions.fasts3.plans.pieces import PART_SIZE

PROGRAM = Path(__file__).with_name("shown.py")
SMALL = {str(number): b"x" * 1000 for number in range(20)}


@pytest.fixture
def make_s3(seaweedfs, prefix, tmp_path):
    root = f"s3://{seaweedfs.bucket}/{prefix}"
    with contextlib.ExitStack() as stack:

        def make(**kwargs):
            params = seaweedfs.client_params()
            return stack.enter_context(S3(s3root=root, client_params=params, tmproot=str(tmp_path), **kwargs))

        yield make


@pytest.fixture
def seen():
    return []


@pytest.fixture
def open_uploads(seaweedfs, prefix):
    def listed():
        client = seaweedfs.boto3_client()
        try:
            response = client.list_multipart_uploads(Bucket=seaweedfs.bucket, Prefix=prefix)
            return response.get("Uploads", [])
        finally:
            client.close()

    return listed


class Enough(Exception):
    """The exception of a user's function."""


def test_invalid_values_raise_at_once():
    with pytest.raises(MetaflowS3Exception, match=r"S3\(progress='bar'\) is invalid\. Give None"):
        S3(progress="bar")


@pytest.mark.parametrize("progress", [None, False])
def test_without_a_display_there_is_no_observer(make_s3, monkeypatch, progress):
    def around(*_):
        raise AssertionError("a plan is observed")

    monkeypatch.setattr(executor, "ProgressReport", around)
    s3 = make_s3(progress=progress)
    s3.put_many(SMALL.items())
    assert len(s3.get_all()) == len(SMALL)
    with pytest.raises(AssertionError, match="observed"):
        make_s3(progress=print).get_all()


def test_one_thread_calls_from_the_beginning_to_the_end(make_s3):
    threads = []
    s3 = make_s3(progress=lambda progress: threads.append(threading.current_thread().name))
    s3.put_many(SMALL.items())
    assert len(threads) >= 2
    assert len(set(threads)) == 1
    threads.clear()
    thread = threading.Thread(target=s3.get_many, args=(list(SMALL),), name="user's own")
    thread.start()
    thread.join()
    assert set(threads) == {"user's own"}


def test_a_call_in_two_steps_reports_them_one_after_the_other(make_s3, seen, tmp_path):
    s3 = make_s3(progress=seen.append)
    s3.put_many(SMALL.items())
    seen.clear()
    s3.download("", tmp_path / "here")
    assert list(dict.fromkeys(progress.operation for progress in seen)) == ["list", "get"]
    assert [progress.operation for progress in seen if progress.done] == ["list", "get"]


@pytest.mark.parametrize(
    "call",
    [lambda s3, _: s3.get_recursive([""]), lambda s3, folder: s3.download("", folder)],
    ids=["get_recursive", "download"],
)
def test_totals_of_what_is_listed_are_those_of_the_listing(make_s3, seen, tmp_path, call):
    s3 = make_s3(progress=seen.append)
    s3.put_many(SMALL.items())
    seen.clear()
    call(s3, tmp_path / "here")
    steps = [progress for progress in seen if progress.operation == "get"]
    totals = dict.fromkeys((progress.total_objects, progress.total_bytes) for progress in steps)
    totals.pop((None, None), None)  # of what is listed while it is downloaded
    assert list(totals) == [(len(SMALL), 1000 * len(SMALL))]


def test_internal_jobs_are_not_reported(make_s3, seen):
    s3 = make_s3(progress=seen.append)
    s3.get_many(["no"], return_missing=True)
    s3.info("no", return_missing=True)
    assert [progress.operation for progress in seen if progress.done] == ["get", "info"]
    make_s3().put("part-1", b"1")
    seen.clear()
    with pytest.warns(UserWarning, match="other keys begin with"):
        s3.get_recursive(["part-"])
    assert [progress.operation for progress in seen if progress.done] == ["get"]


def test_retries_are_counted(make_s3, seen):
    make_s3(progress=seen.append, inject_failure_rate=50).put_many(SMALL.items())
    assert seen[-1].retries > 0
    assert [one.retries for one in seen] == sorted(one.retries for one in seen)


def test_a_call_that_fails_has_no_end(make_s3, seen):
    make_s3().put_many(SMALL.items())
    with pytest.raises(MetaflowS3NotFound):
        make_s3(progress=seen.append).get_many([*SMALL, "no"])
    assert not any(progress.done for progress in seen)


def refuse(progress):
    raise Enough(progress.operation)


CALLS = {
    "get": lambda s3: s3.get("0"),
    "get_many": lambda s3: s3.get_many(list(SMALL)),
    "put": lambda s3: s3.put("new", b"1"),
    "put_many": lambda s3: s3.put_many(SMALL.items()),
    "info": lambda s3: s3.info("0"),
    "info_many": lambda s3: s3.info_many(list(SMALL)),
    "list_paths": lambda s3: s3.list_paths(),
    "list_recursive": lambda s3: s3.list_recursive(["a", "b"] * 10),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_an_exception_of_the_function_ends_the_call_and_is_raised(make_s3, call):
    make_s3().put_many(SMALL.items())
    with pytest.raises(Enough):
        call(make_s3(progress=refuse))
    assert len(make_s3().get_many(list(SMALL))) == len(SMALL)


def test_a_call_that_it_ended_leaves_nothing(make_s3):
    s3, descriptors, chains = make_s3(progress=refuse), [], []
    s3_without = make_s3()
    # Tests that stop calls before each instruction may leave an exception that Python takes for one being handled.
    handled = sys.exc_info()[1]
    gc.collect()
    gc.disable()
    try:
        for _ in range(6):
            s3_without.put_many(SMALL.items())
            try:
                s3.get_many(list(SMALL))
            except Enough as enough:
                chains.append((enough.__cause__, enough.__context__))
            descriptors.append(len(os.listdir("/proc/self/fd")))
    finally:
        gc.enable()
    assert chains == [(None, handled)] * 6
    assert descriptors[-1] <= descriptors[1]


@pytest.mark.parametrize("put", ["put", "put_files"])
def test_a_multipart_upload_that_it_ends_is_aborted(make_s3, tmp_path, put, open_uploads):
    path = tmp_path / "large"
    with open(path, "wb") as file:
        file.truncate(3 * PART_SIZE)

    def first_part(progress):
        if progress.bytes:
            raise Enough

    s3 = make_s3(progress=first_part)
    with pytest.raises(Enough):
        s3.put("k", path.read_bytes()) if put == "put" else s3.put_files((key, str(path)) for key in "abc")
    assert open_uploads() == []
    assert sum(one.size for one in make_s3().list_recursive()) <= 2 * 3 * PART_SIZE  # others may have been done


@pytest.fixture
def run_program(seaweedfs, prefix, tmp_path, make_s3):
    """Run shown.py; return its stderr."""
    make_s3().put_many(SMALL.items())
    (tmp_path / "tmp").mkdir()
    environment = {
        **os.environ,
        "METAFLOW_S3_ENDPOINT_URL": seaweedfs.endpoint_url,
        "AWS_ACCESS_KEY_ID": seaweedfs.access_key,
        "AWS_SECRET_ACCESS_KEY": seaweedfs.secret_key,
        "AWS_DEFAULT_REGION": seaweedfs.region,
        "ROOT": f"s3://{seaweedfs.bucket}/{prefix}",
    }

    def run(*arguments, terminal, **settings):
        command = [sys.executable, PROGRAM, *arguments]
        with contextlib.ExitStack() as stack:
            shown = stack.enter_context(Terminal()) if terminal else None
            process = subprocess.Popen(
                command,
                cwd=tmp_path,
                env={**environment, **settings},
                stdout=shown.descriptor if settings else subprocess.PIPE,
                stderr=shown.descriptor if terminal else subprocess.PIPE,
                text=True,
            )
            text = shown.rest() if shown else ""
            printed, errors = process.communicate()
            assert process.returncode == 0, text + (errors or "")
            assert settings or printed == "20000\n"
            return text if shown else errors

    return run


@pytest.mark.parametrize(
    "setting",
    # Always: the test of retries shows the same.
    [["--after", "0", "null", "0"], pytest.param(["true", "0"], marks=pytest.mark.release)],
    ids=["automatic", "always"],
)
def test_a_terminal_shows_a_bar(run_program, setting):
    pytest.importorskip("tqdm")
    text = run_program(*setting, terminal=True)
    last = text.split("\r")[-2].rstrip()
    assert last.startswith("S3 get: 100%")
    assert "20 objects, 19.5 KiB, " in last
    assert "|" in last
    assert text.count("\n") == 1
    assert text.endswith("\r\n")


@pytest.mark.parametrize(
    "setting",
    [["--after", "600", "null", "0"], pytest.param(["false", "0"], marks=pytest.mark.release)],
    ids=["automatic", "never"],
)
def test_a_terminal_shows_nothing_of_a_short_call(run_program, setting):
    assert run_program(*setting, terminal=True) == ""


@pytest.mark.parametrize(
    "setting",
    [["--after", "0", "null", "0"], pytest.param(["false", "0"], marks=pytest.mark.release)],
    ids=["automatic", "never"],
)
def test_without_a_terminal_nothing_is_written(run_program, setting):
    assert run_program(*setting, terminal=False) == ""


def test_lines_are_written_elsewhere_where_the_user_wants_it(run_program):
    lines = run_program("true", "0", terminal=False).splitlines()
    assert [line.partition(": ")[0] for line in lines] == ["S3 get"] * 2
    assert lines[1].startswith("S3 get: 20 objects, 19.5 KiB, ")


def test_reports_of_retries_have_their_own_line(run_program):
    text = run_program("true", "50", terminal=True, METAFLOW_S3_LOG_TRANSIENT_RETRIES="1")
    before = text[: text.index("Transient S3 failures: ")]
    assert before.endswith("\r")
    assert before.rstrip("\r").rpartition("\r")[2].strip() == ""
    assert "S3 get: 100%" in text[len(before) :]


class OnlyTheFirst(BaseHTTPRequestHandler):
    """Has a bucket and an object `0`; requests for other objects get no response until the test ends."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if not self.path.endswith("/0"):
            self.server.over.wait()
        self.send_response(200)
        self.send_header("Content-Length", "1")
        self.send_header("ETag", '"1"')
        self.end_headers()
        self.wfile.write(b"0")

    def do_HEAD(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def handle(self):
        with contextlib.suppress(OSError):  # whoever was kept waiting has gone
            super().handle()

    def log_message(self, *_):
        pass


@pytest.fixture
def only_the_first():
    with ThreadingHTTPServer(("127.0.0.1", 0), OnlyTheFirst) as server:
        server.over = threading.Event()
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.over.set()
        server.shutdown()
        thread.join()


def test_ctrl_c_leaves_the_terminal_on_a_new_line(only_the_first, tmp_path):
    pytest.importorskip("tqdm")
    (tmp_path / "tmp").mkdir()
    command = [sys.executable, PROGRAM, "true", "0"]
    environment = {
        **os.environ,
        "METAFLOW_S3_ENDPOINT_URL": f"http://127.0.0.1:{only_the_first.server_port}",
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "hush",
        "AWS_DEFAULT_REGION": "us-east-1",
        "ROOT": "s3://bucket/x",
        "PYTHON_COLORS": "0",  # Python 3.13 colors tracebacks on a terminal
    }
    with Terminal() as terminal:
        process = subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=terminal.descriptor
        )
        shown = terminal.read_until("1/20 objects")
        assert "1/20 objects" in shown
        process.send_signal(signal.SIGINT)
        output = terminal.rest()
        assert process.wait() != 0
    assert output[output.index("Traceback") - 1] == "\n"
    assert output.rstrip().endswith("KeyboardInterrupt")

"""How commands end: by an error, by Ctrl-C, by kill, and when nobody reads any more what they print."""

import errno
import os
import signal
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from metaflow_extensions.fasts3.cmd.endings import sentence_of

PAGE = 1000  # keys
ENOUGH = 20  # pages, to be in the middle of it
ROWS = "".join(f"<Contents><Key>{{0}}{row:06}</Key><Size>1</Size></Contents>" for row in range(PAGE))


class Endless(BaseHTTPRequestHandler):
    """Lists without an end, and gives nothing of what it lists."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self):
        if "list-type" not in self.path:
            self.server.asked.set()
            self.server.over.wait(60)
            return
        number = next(self.server.numbers)
        if number == ENOUGH:
            self.server.listed.set()
        prefix = parse_qs(urlsplit(self.path).query)["prefix"][0]
        rows = ROWS.format(f"{prefix}{number:09}")
        more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{number}</NextContinuationToken>"
        body = f"<ListBucketResult>{more}{rows}</ListBucketResult>".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def endless(here, monkeypatch):
    with ThreadingHTTPServer(("127.0.0.1", 0), Endless) as server:
        server.daemon_threads = True
        server.handle_error = lambda *_: None  # clients leave in the middle of a reply
        server.numbers = iter(range(10**9))
        server.listed, server.asked, server.over = threading.Event(), threading.Event(), threading.Event()
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.server_port}")
        yield server
        server.over.set()
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("options", [["--recursive"], ["--recursive", "--json"], []])
def test_a_reader_that_has_seen_enough_ends_it_silently(start, endless, options):
    process = start("ls", "s3://bucket/k", *options)
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(60) == 128 + signal.SIGPIPE


def test_a_reader_of_an_object_may_leave_as_well(start, root, stored):
    stored.put("large", bytes(20 * 2**20))
    process = start("get", f"{root}/large", "-")
    process.stdout.read(1)
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(60) == 128 + signal.SIGPIPE


def test_ctrl_c_ends_a_listing(start, endless):
    process = start("du", "s3://bucket/k")
    assert endless.listed.wait(60)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, b"", b"Stopped.\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_download_that_is_stopped_leaves_nothing(start, here, endless, number):
    process = start("get", "s3://bucket/k*", "out")
    assert endless.asked.wait(60)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (128 + number, b"")
    assert b"Traceback" not in err
    assert list(here.iterdir()) == []


def test_an_upload_that_is_stopped_leaves_nothing(start, here, root, stored):
    process = start("put", "-", f"{root}/x")
    process.stdin.write(bytes(9 * 2**20))
    process.stdin.flush()
    process.send_signal(signal.SIGINT)
    process.stdin.close()
    assert process.wait(60) == 130
    assert process.stderr.read() == b"Stopped.\n"
    assert (stored.list(), stored.open_uploads(), list(here.iterdir())) == (set(), [], [])


def test_an_endpoint_where_nobody_listens_is_one_sentence(fasts3, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    done = fasts3("ls", "s3://bucket/")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: ")
    assert "can't be reached at http://127.0.0.1:9" in done.stderr
    assert done.stderr.count("\n") == 1


def test_without_credentials_is_one_sentence(start, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    process = start("ls", "s3://bucket/", stderr=subprocess.PIPE)
    out, err = process.communicate()
    assert (process.returncode, out, err.count(b"\n")) == (1, b"", 1)
    assert b"Configure credentials" in err


def test_a_directory_that_can_not_be_made_is_one_sentence(fasts3, here, root, stored):
    stored.put("a")
    (here / "file").write_bytes(b"")
    done = fasts3("get", f"{root}/a", "file/below/a")
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: The directory '")
    assert "file/below' can't be made (Not a directory)." in done.stderr


def test_what_the_file_system_says_becomes_a_sentence():
    assert sentence_of(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "a\x1bb")) == (
        "a\\x1bb: No space left on device."
    )
    assert sentence_of(OSError("odd")) == "odd."

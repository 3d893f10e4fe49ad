"""Tests of how commands end: after an error, Ctrl-C, `kill`, and when the reader of a pipe has ended."""

import errno
import itertools
import os
import signal
import subprocess
import threading

import pytest
from servers.listing_server import ListingServer, rows

from metaflow_extensions.fasts3.cli.exit_status import sentence_of

LONG = 200.0  # seconds after which a test gives up
ENOUGH = 20  # pages, to be in the middle of it
ROWS = rows("{:06}")


class Endless(ListingServer):
    """Lists without an end, and yields nothing."""

    def __init__(self):
        super().__init__()
        self.numbers = itertools.count(1)
        self.listed, self.requested, self.over = threading.Event(), threading.Event(), threading.Event()

    def page(self, prefix, token):
        number = next(self.numbers)
        if number == ENOUGH:
            self.listed.set()
        return ROWS.format(f"{prefix}{number:09}"), number

    def get_object(self):
        self.requested.set()
        self.over.wait(LONG)


@pytest.fixture
def endless(here, monkeypatch):
    server = Endless()
    with server.running() as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
        yield server
        server.over.set()


@pytest.mark.parametrize(
    "options",
    [
        ["--recursive"],
        pytest.param(["--recursive", "--json"], marks=pytest.mark.release),
        pytest.param([], marks=pytest.mark.release),
    ],
)
def test_a_reader_that_has_seen_enough_ends_it_silently(start, endless, options):
    process = start("ls", "s3://bucket/k", *options)
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(LONG) == 128 + signal.SIGPIPE


def test_a_reader_of_an_object_may_leave_as_well(start, root, stored):
    stored.put("large", bytes(20 * 2**20))
    process = start("get", f"{root}/large", "-")
    process.stdout.read(1)
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(LONG) == 128 + signal.SIGPIPE


def test_ctrl_c_ends_a_listing(start, endless):
    process = start("du", "s3://bucket/k")
    assert endless.listed.wait(LONG)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=LONG)
    assert (process.returncode, out, err) == (130, b"", b"Stopped.\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_download_that_is_stopped_leaves_nothing(start, here, endless, number):
    process = start("get", "s3://bucket/k*", "out")
    assert endless.requested.wait(LONG)
    process.send_signal(number)
    out, err = process.communicate(timeout=LONG)
    assert (process.returncode, out) == (128 + number, b"")
    assert b"Traceback" not in err
    assert list(here.iterdir()) == []


def test_an_upload_that_is_stopped_leaves_nothing(start, here, root, stored):
    process = start("put", "-", f"{root}/x")
    process.stdin.write(bytes(9 * 2**20))
    process.stdin.flush()
    process.send_signal(signal.SIGINT)
    process.stdin.close()
    assert process.wait(LONG) == 130
    assert process.stderr.read() == b"Stopped.\n"
    assert (stored.list(), stored.open_uploads(), list(here.iterdir())) == (set(), [], [])


def test_the_error_for_a_closed_port_is_one_sentence(fasts3, monkeypatch):
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
    assert done.stderr.startswith("Error: Could not create the directory '")
    assert "file/below' (Not a directory)." in done.stderr


def test_errors_of_the_file_system_are_sentences():
    assert sentence_of(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "a\x1bb")) == (
        "a\\x1bb: No space left on device."
    )
    assert sentence_of(OSError("odd")) == "Could not read stdin or write stdout: odd."


def closing(*streams):
    """The arguments of a process whose standard streams with these numbers are closed."""
    return {"preexec_fn": lambda: [os.close(stream) for stream in streams]}


# Lines, bytes, the doctor's report, and click's help. The others write as one of these does, and a closed stdout fails
# where a full one does: they are processes of more than a second each.
OF_EVERY_CHANGE = {("closed", "ls {}/a"), ("closed", "get {}/a -"), ("full", "doctor"), ("full", "ls --help")}
COMMANDS = (
    "ls {}/a",
    "get {}/a -",
    "doctor",
    "ls --help",
    "cat {}/a",
    "info {}/a",
    "presign {}/a",
    "du {}",
    "rm --dry-run {}/a",
    "--help",
    "--version",
    "",
)


@pytest.mark.parametrize(
    ("place", "command"),
    [
        pytest.param(place, command, marks=[] if (place, command) in OF_EVERY_CHANGE else [pytest.mark.release])
        for place in ("closed", "full")
        for command in COMMANDS
    ],
)
def test_results_that_can_not_be_written_are_an_error(start, root, stored, place, command):
    stored.put("a", b"x")
    with open("/dev/full", "wb") as full:
        changes = closing(1) if place == "closed" else {"stdout": full}
        process = start(*command.format(root).split(), **changes)
        errors = process.communicate()[1]
    reason = b"Bad file descriptor" if place == "closed" else b"No space left on device"
    assert process.returncode == 1
    assert errors.endswith(b"Error: Could not read stdin or write stdout: " + reason + b".\n")
    assert b"Traceback" not in errors


def test_a_closed_stdout_matters_only_to_results(start, here, root, stored):
    stored.put("a", b"x")
    process = start("get", f"{root}/a", "a", **closing(0, 1))
    assert process.communicate()[1].startswith(b"Downloaded 1 object")
    assert (process.returncode, (here / "a").read_bytes()) == (0, b"x")


@pytest.mark.parametrize(
    "arguments",
    [
        ["cat", "{}/a", "{}/missing"],  # our message
        ["nothing"],  # click's
        pytest.param(["cat"], marks=pytest.mark.release),
    ],
)
def test_messages_do_not_go_to_stdout_if_stderr_is_closed(start, root, stored, arguments):
    stored.put("a", b"x")
    process = start(*(one.format(root) for one in arguments), **closing(2))
    assert process.communicate()[0] == b""
    assert process.returncode in {1, 2}


@pytest.mark.parametrize("command", ["put - {}/a", pytest.param("cp - {}/a", marks=pytest.mark.release)])
@pytest.mark.parametrize("place", ["closed", "write-only"])
def test_a_stdin_that_can_not_be_read_is_an_error(start, here, root, stored, command, place):
    with open(here / "file", "wb") as file:
        changes = closing(0) if place == "closed" else {"stdin": file}
        process = start(*command.format(root).split(), **changes)
        errors = process.communicate()[1]
    assert errors == b"Error: Could not read stdin or write stdout: Bad file descriptor.\n"
    assert (process.returncode, stored.blobs()) == (1, {})

"""Commands process listings page by page: their memory does not grow with the number of keys."""

import subprocess
import sys

import pytest
from servers.listing_server import PAGE, ListingServer, rows

FEW = 30  # pages: more than are ever read ahead, and so than one batch of a command has
PAGES = 400
# Bytes that 370 more pages may take. If they were kept, it would be 110 MB and more. Pages that are read ahead take up
# to 55 MB more in one process than in another.
LIMIT = 80 * 2**20
URL = "s3://bucket/below/"
ROWS = rows("/part-{:08}.parquet")
# Not ru_maxrss, which begins with that of the process that forked.
MEASURED = """
import sys
from metaflow.cmd.main_cli import start
start.main(["fasts3", *sys.argv[1:]], standalone_mode=False)
print(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0], file=sys.stderr)
"""


class Many(ListingServer):
    """Lists so many pages of keys below any prefix."""

    pages = 1

    def page(self, prefix, token):
        number = int(token or 0)
        return ROWS.format(f"{prefix}{number}"), number + 1 if number + 1 < self.pages else None


@pytest.fixture
def many(here, monkeypatch):
    server = Many()
    with server.running() as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
        yield server


@pytest.mark.parametrize(
    "arguments",
    [
        ["ls", "--recursive", URL],
        pytest.param(["ls", "--json", "--recursive", URL], marks=pytest.mark.release),
        ["du", URL],
        pytest.param(["rm", "--dry-run", "--recursive", URL], marks=pytest.mark.release),
        ["get", "--dry-run", URL, "out"],
        pytest.param(["cp", "--dry-run", URL, "s3://other/x/"], marks=pytest.mark.release),
        pytest.param(["mv", "--dry-run", URL, "s3://other/x/"], marks=pytest.mark.release),  # as cp
    ],
    ids=" ".join,
)
def test_memory_does_not_grow_with_the_listing(many, arguments):
    peaks = []
    for many.pages in (FEW, PAGES):
        command = [sys.executable, "-c", MEASURED, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert (f"{many.pages * PAGE}" in done.stdout.split()) == (arguments[0] == "du")
        assert arguments[0] == "du" or done.stdout.count("\n") == many.pages * PAGE
        peaks.append(int(done.stderr.split()[-1]) * 1024)
    assert peaks[1] - peaks[0] < LIMIT

"""Commands process listings page by page: their memory does not grow with the number of keys."""

import subprocess
import sys

import pytest
from servers.listing_server import PAGE, ListingServer, rows

FEW = 30  # pages: more than are ever read ahead, and so than one batch of a command has
PAGES = 400
# Bytes that 370 more pages may take. If they were kept, it would be 110 MB and more. Pages that are read ahead take up
# to 55 MB more in one call than in another.
LIMIT = 80 * 2**20
URL = "s3://bucket/{}/"  # the number of its pages
SUMS = {"du"}  # commands that print the number of keys; the others print a line for each
ROWS = rows("/part-{:08}.parquet")
# Runs a command with few pages and then with many, and prints the peak of the memory after each: in one process, whose
# start takes longer than a short listing. Not ru_maxrss, which begins with that of the process that forked.
MEASURED = """
import sys
from metaflow.cmd.main_cli import start
for pages in sys.argv[1:3]:
    start.main(["fasts3", *(one.format(pages) for one in sys.argv[3:])], standalone_mode=False)
    sys.stdout.flush()
    print(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0], file=sys.stderr)
"""


class Many(ListingServer):
    """Lists as many pages of keys as the prefix says."""

    def page(self, prefix, token):
        number, pages = int(token or 0), int(prefix.strip("/"))
        return ROWS.format(f"{prefix}{number}"), number + 1 if number + 1 < pages else None


@pytest.fixture
def many(here, monkeypatch):
    server = Many()
    with server.running() as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
        yield


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize(
    "arguments",
    [
        ["ls", "--recursive", URL],
        pytest.param(["ls", "--json", "--recursive", URL], marks=pytest.mark.release),
        pytest.param(["du", URL], marks=pytest.mark.release),
        pytest.param(["rm", "--dry-run", "--recursive", URL], marks=pytest.mark.release),
        pytest.param(["get", "--dry-run", URL, "out"], marks=pytest.mark.release),
        pytest.param(["cp", "--dry-run", URL, "s3://other/x/"], marks=pytest.mark.release),
        pytest.param(["mv", "--dry-run", URL, "s3://other/x/"], marks=pytest.mark.release),  # as cp
    ],
    ids=" ".join,
)
def test_memory_does_not_grow_with_the_listing(arguments):
    command = [sys.executable, "-c", MEASURED, str(FEW), str(PAGES), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    if arguments[0] in SUMS:
        assert {str(FEW * PAGE), str(PAGES * PAGE)} <= set(done.stdout.split())
    else:
        assert done.stdout.count("\n") == (FEW + PAGES) * PAGE
    few, many = (int(line) * 1024 for line in done.stderr.splitlines() if line.isdecimal())
    assert many - few < LIMIT

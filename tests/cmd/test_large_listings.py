"""Commands hold pages, not listings: their memory does not grow with what is there."""

import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

PAGE = 1000  # keys
PAGES = 300
LIMIT = 24 * 2**20  # bytes that 299 pages more may take; held, they would be 90 MB and more
ROWS = "".join(f"<Contents><Key>{{0}}/part-{row:08}.parquet</Key><Size>1</Size></Contents>" for row in range(PAGE))
# Not ru_maxrss, which begins with that of the process that forked.
MEASURED = """
import sys
from metaflow.cmd.main_cli import start
start.main(["fasts3", *sys.argv[1:]], standalone_mode=False)
print(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0], file=sys.stderr)
"""


class Many(BaseHTTPRequestHandler):
    """Lists so many pages of keys below any prefix."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self):
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        page = int(query.get("continuation-token", 0))
        more = ""
        if page + 1 < self.server.pages:
            more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{page + 1}</NextContinuationToken>"
        body = f"<ListBucketResult>{more}{ROWS.format(query['prefix'] + str(page))}</ListBucketResult>".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def many(here, monkeypatch):
    with ThreadingHTTPServer(("127.0.0.1", 0), Many) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.server_port}")
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    "arguments",
    [["ls", "--recursive"], ["ls", "--json", "--recursive"], ["du"], ["rm", "--dry-run", "--recursive"]],
    ids=" ".join,
)
def test_memory_does_not_grow_with_the_listing(many, arguments):
    peaks = []
    for many.pages in (1, PAGES):
        command = [sys.executable, "-c", MEASURED, *arguments, "s3://bucket/below/"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert (f"{many.pages * PAGE}" in done.stdout.split()) == (arguments == ["du"])
        assert arguments == ["du"] or done.stdout.count("\n") == many.pages * PAGE
        peaks.append(int(done.stderr) * 1024)
    assert peaks[1] - peaks[0] < LIMIT

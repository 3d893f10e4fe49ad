"""Tests of the event handlers on our boto3 clients, which replace behavior of botocore."""

import socketserver
import threading
from io import BytesIO

import boto3
import botocore
import pytest

from metaflow_extensions.fasts3.boto import events
from metaflow_extensions.fasts3.boto.recipe import ClientRecipe, CredentialSet, GivenCredentials, build, recipe_of
from metaflow_extensions.fasts3.boto.request_templates import RequestTemplates
from metaflow_extensions.fasts3.boto.transfers import Boto3Transfers
from metaflow_extensions.fasts3.wire.bandwidth import Allowance, Bandwidth
from metaflow_extensions.fasts3.wire.operations import OPERATIONS

SMALL, LARGE = b"x" * events.SENT_AT_ONCE, b"x" * (events.SENT_AT_ONCE + 1)


class Refusing(socketserver.StreamRequestHandler):
    """An S3 server that responds to the first `Expect: 100-continue` with 412, and keeps the connection open."""

    def handle(self):
        for line in self.rfile:
            headers = {}
            for header in iter(self.rfile.readline, b"\r\n"):
                name, value = header.decode().rstrip("\r\n").split(": ", 1)
                headers[name.lower()] = value
            expects = "expect" in headers
            self.server.seen.append((line.split()[1].decode(), expects, headers.get("connection")))
            if expects and not self.server.refused:
                self.server.refused = True
                self.respond(b"412 Precondition Failed", headers)
            else:
                if expects:
                    self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                self.rfile.read(int(headers.get("content-length", 0)))
                self.respond(b'200 OK\r\nETag: "e"', headers)
            if headers.get("connection") == "close":
                return

    def respond(self, what, headers):
        # Sends "Connection: close", as RFC 9112 section 9.6 requires, or the client might still use the connection.
        closing = b"Connection: close\r\n" if headers.get("connection") == "close" else b""
        self.wfile.write(b"HTTP/1.1 " + what + b"\r\n" + closing + b"Content-Length: 0\r\n\r\n")


@pytest.fixture
def server():
    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Refusing) as server:
        server.seen, server.refused = [], False
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def client(server):
    recipe = ClientRecipe(
        region="us-east-1",
        endpoint_url=f"http://127.0.0.1:{server.server_address[1]}",
        use_ssl=False,
        verify=None,
        anonymous=False,
        config={"retries": {"total_max_attempts": 1}, "s3": {"addressing_style": "path"}, "read_timeout": 20},
    )
    client = build(recipe, GivenCredentials(lambda: CredentialSet("key", "secret")), connections=1)
    yield client
    client.close()


def test_only_a_large_body_waits_for_the_server_s_consent(client, server):
    server.refused = True
    for number, body in enumerate((b"", SMALL, LARGE)):
        client.put_object(Bucket="b", Key=str(number), Body=body)
        client.upload_part(Bucket="b", Key=f"part{number}", UploadId="u", PartNumber=1, Body=BytesIO(body))
    assert [(path.partition("?")[0], expects) for path, expects, _ in server.seen] == [
        ("/b/0", False),
        ("/b/part0", False),
        ("/b/1", False),
        ("/b/part1", False),
        ("/b/2", True),
        ("/b/part2", True),
    ]


@pytest.mark.parametrize("version", [botocore.__version__, "1.36.0"])
def test_no_upload_reads_the_response_of_the_previous_one(client, server, monkeypatch, version):
    monkeypatch.setattr(botocore, "__version__", version)
    with pytest.raises(client.exceptions.ClientError, match="412"):
        client.put_object(Bucket="b", Key="refused", Body=LARGE)
    for key in ("second", "third"):
        assert client.put_object(Bucket="b", Key=key, Body=LARGE)["ETag"] == '"e"'
    assert [path for path, _, _ in server.seen] == ["/b/refused", "/b/second", "/b/third"]
    forgets = tuple(map(int, version.split(".")[:2])) >= events.DISCARDS_LATE_RESPONSES
    assert {connection for *_, connection in server.seen} == ({None} if forgets else {"close"})


@pytest.fixture
def plain(seaweedfs):
    client = boto3.client("s3", **seaweedfs.client_params())
    yield client
    client.close()


@pytest.fixture
def waits():
    return []


@pytest.fixture
def allowance(waits):
    return Allowance(Bandwidth(1e6), clock=lambda: 0.0, pause=waits.append)


def test_a_body_waits_while_it_is_sent(plain, seaweedfs, prefix, allowance, waits):
    Boto3Transfers(plain).put(seaweedfs.bucket, prefix, body=b"x" * 500_000, allowance=allowance)
    assert max(waits) == pytest.approx(0.5)
    assert waits == sorted(waits)
    assert plain.get_object(Bucket=seaweedfs.bucket, Key=prefix)["Body"].read() == b"x" * 500_000


def test_other_requests_of_the_same_client_do_not_wait(plain, seaweedfs, prefix, allowance, waits):
    Boto3Transfers(plain).put(seaweedfs.bucket, prefix, body=b"x", allowance=allowance)
    del waits[:]
    plain.put_object(Bucket=seaweedfs.bucket, Key=prefix, Body=b"y" * 500_000)
    assert waits == []


def test_workers_can_create_the_client_again(plain, seaweedfs, prefix, allowance):
    before = recipe_of(plain)
    Boto3Transfers(plain).put(seaweedfs.bucket, prefix, body=b"x", allowance=allowance)
    assert recipe_of(plain) == before


def test_an_interrupted_wait_ends_the_upload(plain, seaweedfs, prefix):
    stopping = Allowance(Bandwidth(1e6), pause=lambda _: True)
    with pytest.raises(Exception, match=r"."):
        Boto3Transfers(plain).put(seaweedfs.bucket, prefix, body=b"x" * 500_000, allowance=stopping)
    assert "Contents" not in plain.list_objects_v2(Bucket=seaweedfs.bucket, Prefix=prefix)


@pytest.mark.parametrize("pays", [True, False])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_requester_pays_sends_its_header_in_each_request(plain, pays, operation):
    paying = build(recipe_of(plain)._replace(requester_pays=pays), GivenCredentials(lambda: CredentialSet("k", "s")), 1)
    try:
        header = RequestTemplates(paying)(operation, "bucket").headers.get("x-amz-request-payer")
    finally:
        paying.close()
    assert header == ("requester" if pays else None)

"""Tests against a server that denies HEAD: no data is lost or overwritten silently."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import metaflow.metaflow_config as configuration
import pytest
from metaflow import S3
from metaflow.datatools.s3 import MetaflowS3Exception


class Refusing(BaseHTTPRequestHandler):
    """A server with the bucket that responds to every HEAD of a key with its `refusal`, and accepts every PUT."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        if self.path.count("/") > 1:
            self.server.requests.append("HEAD")
        self.send_response(self.server.refusal if self.path.count("/") > 1 else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_PUT(self):
        self.server.requests.append(f"PUT, If-None-Match: {self.headers['If-None-Match']}")
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("ETag", '"e"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def refusing(monkeypatch):
    monkeypatch.setattr(configuration, "S3_RETRY_COUNT", 1)
    monkeypatch.setattr(configuration, "S3_TRANSIENT_RETRY_COUNT", 2)
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        server.requests = []
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def client(refusing, tmp_path):
    params = {
        "endpoint_url": f"http://127.0.0.1:{refusing.server_port}",
        "aws_access_key_id": "AKIAEXAMPLE",
        "aws_secret_access_key": "hush",
        "region_name": "us-east-1",
    }
    (tmp_path / "local").write_text("data")
    with S3(s3root="s3://bucket/x", client_params=params, tmproot=str(tmp_path)) as client:
        yield client


CALLS = {
    "put": lambda client, path: client.put("k", "data", overwrite=False),
    "put_many": lambda client, path: client.put_many([("k", "data"), ("l", "data")], overwrite=False),
    "put_files": lambda client, path: client.put_files([("k", path)], overwrite=False),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_failed_head_is_an_error_and_nothing_is_stored(client, refusing, tmp_path, call):
    refusing.refusal = 503
    with pytest.raises(MetaflowS3Exception) as raised:
        call(client, str(tmp_path / "local"))
    # The larger of the two settings, and the first try.
    for part in ("HeadObject", "s3://bucket/x/", "HTTP 503", "AKIAEXAMPLE", "3 tries"):
        assert part in str(raised.value)
    assert set(refusing.requests) == {"HEAD"}
    assert "hush" not in str(raised.value)


@pytest.mark.parametrize("status", [404, 403], ids=["not there", "who may only store"])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_without_head_the_upload_is_conditional(client, refusing, tmp_path, call, status):
    refusing.refusal = status
    call(client, str(tmp_path / "local"))
    assert {request for request in refusing.requests if request != "HEAD"} == {"PUT, If-None-Match: *"}


def test_retries_are_reported_on_request(client, refusing, monkeypatch, capsys):
    monkeypatch.setattr(configuration, "S3_LOG_TRANSIENT_RETRIES", True)
    statuses = iter([503, 503, 404])
    monkeypatch.setattr(ThreadingHTTPServer, "refusal", property(lambda _: next(statuses)), raising=False)
    client.put_many([("k", "data")], overwrite=False)
    assert "1 of 2 requests needed retries, 2 in total; reason of the last: 503" in capsys.readouterr().err

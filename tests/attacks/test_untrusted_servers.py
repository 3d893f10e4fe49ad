"""A server with an invalid certificate gets no request; the error names the host and the remedy."""

import datetime

import pytest
from attacks.hostile import hostile, response
from metaflow import S3
from metaflow.datatools.s3 import MetaflowS3Exception
from wire.certificates import Certificates

PAST = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
CERTIFICATES = {
    "another name": lambda ours, _: ours.server("other.example"),
    "expired": lambda ours, _: ours.server(not_after=PAST),
    "another authority": lambda _, folder: Certificates(folder).server(),
}
CALLS = {
    "get": lambda s3: s3.get("a"),
    "get_many": lambda s3: s3.get_many(["a", "b"]),
    "put": lambda s3: s3.put("a", "x"),
    "list_paths": lambda s3: s3.list_paths(),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("shown", CERTIFICATES.values(), ids=CERTIFICATES)
def test_an_untrusted_server_receives_nothing(certificates, tmp_path, shown, call):
    with hostile(shown(certificates, tmp_path)) as server:
        params = server.client_params(verify=certificates.bundle)
        with (
            S3(s3root="s3://bucket", client_params=params, tmproot=str(tmp_path)) as s3,
            pytest.raises(MetaflowS3Exception) as raised,
        ):
            call(s3)
        message = str(raised.value)
        assert server.heads == []
    for part in ("certificate", f"localhost:{server.port}", "METAFLOW_S3_VERIFY_CERTIFICATE", "1 try in"):
        assert part in message


@pytest.mark.parametrize("call", ["get", "get_many"])
def test_a_trusted_server_receives_requests(certificates, tmp_path, call):
    with hostile(certificates.server()) as server:
        server.respond = lambda _: response(etag='"e"')
        params = server.client_params(verify=certificates.bundle)
        with S3(s3root="s3://bucket", client_params=params, tmproot=str(tmp_path)) as s3:
            CALLS[call](s3)
        assert server.heads

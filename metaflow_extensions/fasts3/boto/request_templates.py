"""Copies from boto3 how to send requests: endpoint, addressing, headers, signature.

boto3 prepares one request for each operation and bucket, and an event handler (`before-send`) stops it before sending.
Every setting of boto3 thus applies to our own wire: endpoint URLs, addressing styles, dual-stack, FIPS, acceleration,
access points, certificate bundles, user agents, checksums.
"""

import threading
from typing import Any, NoReturn, Optional
from urllib.parse import urlsplit

from botocore import xform_name

from metaflow_extensions.fasts3.boto.botocore_private import verify_of
from metaflow_extensions.fasts3.boto.regions import regions_at
from metaflow_extensions.fasts3.wire.checksums import ALGORITHMS, HEADER, start
from metaflow_extensions.fasts3.wire.log import log
from metaflow_extensions.fasts3.wire.operations import KEY, OPERATIONS
from metaflow_extensions.fasts3.wire.sigv4 import ALGORITHM, Scope
from metaflow_extensions.fasts3.wire.template import Endpoint, NoTemplate, RequestTemplate

NO_TIMEOUT = 86_400.0  # seconds; boto3's None
# Headers of a single request, not of all requests of its operation. botocore sends a checksum after the body
# (content-encoding "aws-chunked"); our wire sends it before the body.
_OF_ONE_REQUEST = (
    "authorization x-amz-date date x-amz-content-sha256 x-amz-security-token host content-length content-type "
    "content-md5 content-encoding transfer-encoding x-amz-decoded-content-length x-amz-trailer "
    "x-amz-sdk-checksum-algorithm x-amz-checksum-algorithm x-amz-checksum-mode expect connection "
    "amz-sdk-invocation-id amz-sdk-request x-amz-copy-source"
)


class _Caught(Exception):
    """Carries a prepared request out of boto3."""

    def __init__(self, request: Any, operation: str) -> None:
        super().__init__()
        self.request = request
        self.operation = operation


class RequestTemplates:
    """The templates of one client of our own, created on first use. Other threads can use the client meanwhile."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._regions = regions_at(client.meta.endpoint_url)
        self._made: dict[tuple[str, str, Optional[str]], RequestTemplate] = {}
        self._catching = threading.local()
        client.meta.events.register("before-send.s3", self._catch)

    def __call__(self, operation: str, bucket: str) -> RequestTemplate:
        """Return the template of an operation on a bucket.

        Raises NoTemplate if boto3 has to send the request, and BotoCoreError if boto3 rejects it: no credentials, or an
        invalid bucket name.
        """
        name = (operation, bucket, self._regions.get(bucket))
        if name not in self._made:
            made = self._made[name] = self._make(operation, bucket)
            body = "signed" if made.scope and made.sign_payload else "not signed"
            about = (operation, bucket, body, made.checksum)
            log.debug("%s on bucket %s: by the wire, bodies %s, checksum sent: %s", *about)
        return self._made[name]

    def _make(self, operation: str, bucket: str) -> RequestTemplate:
        if bucket.endswith(("--x-s3", "--xa-s3")):
            raise NoTemplate("S3 Express buckets require the credentials of a session")
        request = self._prepared(operation, bucket)
        headers = {name.lower(): _text(value) for name, value in request.headers.items()}
        url = urlsplit(request.url)
        if url.username is not None or not url.hostname:
            raise NoTemplate(f"the URL of the endpoint {url.hostname!r} has a user")
        port = url.port or (443 if url.scheme == "https" else 80)
        usual = port == (443 if url.scheme == "https" else 80)
        host = f"[{url.hostname}]" if ":" in url.hostname else url.hostname
        checksum = _checksum(headers)
        left_out = _OF_ONE_REQUEST.split()
        payload_hash = headers.get("x-amz-content-sha256", "")
        return RequestTemplate(
            endpoint=self._endpoint(url.scheme == "https", url.hostname, port),
            host=host if usual else f"{host}:{port}",
            path=url.path[: -len(KEY)] if url.path.endswith(KEY) else url.path,
            headers={
                name: value for name, value in headers.items() if name not in left_out and not name.startswith(HEADER)
            },
            scope=_scope(headers, url.query),
            sign_payload=not payload_hash.startswith(("UNSIGNED", "STREAMING-UNSIGNED")),
            checksum=checksum,
            verify=headers.get("x-amz-checksum-mode") == "ENABLED",
        )

    def _prepared(self, operation: str, bucket: str) -> Any:
        self._catching.on = True
        try:
            getattr(self._client, xform_name(operation))(Bucket=bucket, **OPERATIONS[operation].arguments)
        except _Caught as caught:
            if caught.operation != operation:  # e.g. a session for a directory bucket
                raise NoTemplate(f"boto3 sends {caught.operation} before {operation}") from None
            return caught.request
        finally:
            self._catching.on = False
        raise NoTemplate("boto3 sends no request")

    def _catch(self, request: Any, event_name: str, **_: Any) -> "Optional[NoReturn]":
        if getattr(self._catching, "on", False):
            raise _Caught(request, event_name.rpartition(".")[2])
        return None

    def _endpoint(self, tls: bool, host: str, port: int) -> Endpoint:
        from botocore.httpsession import get_cert_path

        config, verify = self._client.meta.config, verify_of(self._client)
        if config.client_cert:
            raise NoTemplate("the client has a client certificate")
        return Endpoint(
            tls=tls,
            host=host,
            port=port,
            ca_bundle=get_cert_path(verify) if tls and verify else None,
            connect_timeout=float(config.connect_timeout or NO_TIMEOUT),
            read_timeout=float(config.read_timeout or NO_TIMEOUT),
        )


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _checksum(headers: "dict[str, str]") -> Optional[str]:
    """The algorithm of the checksum that boto3 sends with an upload, before or after the body."""
    names = [name for name in (*headers, headers.get("x-amz-trailer", "")) if name.startswith(HEADER)]
    algorithm = next((name[len(HEADER) :] for name in names if name[len(HEADER) :] in ALGORITHMS), None)
    if algorithm and start(algorithm) is None:
        raise NoTemplate(f"the wire does not support the checksum {algorithm}")
    return algorithm


def _scope(headers: "dict[str, str]", query: str) -> Optional[Scope]:
    """The signature's scope, from `AWS4-HMAC-SHA256 Credential=AKIA.../20261122/eu-west-1/s3/aws4_request, ...`."""
    authorization = headers.get("authorization")
    if authorization is None:
        if "Signature=" in query:  # "s3v4-query", for presigned URLs
            raise NoTemplate("the client signs in the URL")
        return None
    scheme, _, rest = authorization.partition(" ")
    if scheme != ALGORITHM:
        raise NoTemplate(f"the client signs with {scheme}")
    credential = rest.partition("Credential=")[2].partition(",")[0]
    region, service, _ = credential.split("/")[-3:]
    return Scope(region, service)

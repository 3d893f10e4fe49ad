"""A real S3 whose buckets are in one region: requests that are signed for another one are redirected.

The proxy reads the region of the signature, and the server behind it verifies the signature.
"""

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from servers.faulty import Exchange, Fault, FaultyS3, Request, Response

HOME = "eu-west-1"  # of the buckets
AWAY = "us-east-1"  # that of the clients' configuration
_SCOPE = re.compile(r"Credential=[^/]+/[0-9]{8}/([^/]+)/s3/aws4_request")


class Redirect(NamedTuple):
    """How S3 redirects a request. A HEAD has no document, and one to the bucket always has the header."""

    status: int
    code: str
    header: bool = False  # x-amz-bucket-region names the region
    document: bool = False  # the error document does

    def __call__(self, exchange: Exchange) -> None:
        """Redirect, with a Location that no client may follow."""
        method, operation = exchange.request.method, exchange.request.operation
        region = f"<Region>{HOME}</Region>" if self.document else ""
        document = f"<Error><Code>{self.code}</Code><Message>It is elsewhere.</Message>{region}</Error>".encode()
        body = b"" if method == "HEAD" else document
        headers = {"x-amz-request-id": "REQUEST", "Content-Length": str(len(body))}
        if self.header or operation == "HeadBucket":
            headers["x-amz-bucket-region"] = HOME
        if self.status < 400:
            headers["Location"] = f"http://elsewhere.invalid{exchange.request.target}"
        exchange.send(Response(self.status, headers, body).head + body)


REDIRECTS = {
    "301": Redirect(301, "PermanentRedirect", header=True),
    "307": Redirect(307, "TemporaryRedirect", header=True),
    "400": Redirect(400, "AuthorizationHeaderMalformed", document=True),
    # These name no region; HeadBucket does.
    "301 without a region": Redirect(301, "PermanentRedirect"),
    "400 without a region": Redirect(400, "IllegalLocationConstraintException"),
}


@dataclass
class RegionalS3(FaultyS3):
    """The proxy; a context manager."""

    redirect: Redirect = REDIRECTS["301"]
    redirected: "list[Request]" = field(default_factory=list)

    def fault_for(self, request: Request) -> Fault:
        fault = super().fault_for(request)
        if region_of(request) == HOME:
            return fault
        self.redirected.append(request)
        return self.redirect

    def clear(self) -> None:
        super().clear()
        self.redirected = []


def region_of(request: Request) -> str:
    """The region that a request is signed for."""
    query = "".join(request.query.get("X-Amz-Credential", []))
    scope = _SCOPE.search(request.headers.get("authorization", f"Credential={query}"))
    return scope[1] if scope else ""

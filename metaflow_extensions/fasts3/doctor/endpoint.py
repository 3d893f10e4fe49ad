"""The destination of requests, and whether the server responds: endpoint, region, TLS, proxies, name, clock."""

import os
import socket
import time
from collections.abc import Iterator
from typing import Any, Optional, Union
from urllib.parse import urlsplit

from metaflow_extensions.fasts3.api.errors import MOST_NAMED, REMEDIES, remedy_of_unreachable, shown
from metaflow_extensions.fasts3.boto.redaction import without_password
from metaflow_extensions.fasts3.boto.transfer_client import TransferClient
from metaflow_extensions.fasts3.doctor.context import Context, Response
from metaflow_extensions.fasts3.doctor.findings import Fact, Finding, ok, problem, skipped, warning
from metaflow_extensions.fasts3.doctor.settings import DEFAULT, variables_with
from metaflow_extensions.fasts3.wire.addresses import is_address
from metaflow_extensions.fasts3.wire.connection_errors import NO_TLS
from metaflow_extensions.fasts3.wire.dates import http_timestamp
from metaflow_extensions.fasts3.wire.failures import Code, TransferError
from metaflow_extensions.fasts3.wire.template import RequestTemplate

SKEW_NOTED = 60.0  # seconds
SKEW_REFUSED = 900.0  # seconds; above it S3 returns RequestTimeTooSkewed
SET_THE_CLOCK = "Set this machine's clock, for example with NTP."
LOCAL_SERVER = "For a local server, paste into this shell the lines that `metaflow fasts3 serve` has printed."


def facts(context: Context, client: TransferClient) -> Iterator[Fact]:
    """The facts about the endpoint."""
    section, url = "endpoint", without_password(client.endpoint_url)
    config: dict[str, Any] = {}
    chosen, region = True, None
    if client.recipe:
        config, region = client.recipe.config, client.recipe.region
        chosen = client.recipe.endpoint_url is not None
    yield Fact(section, "endpoint_url", url, context.origin(url) if chosen else DEFAULT)
    yield Fact(section, "region", region, context.origin(region))
    yield Fact(section, "addressing_style", (config.get("s3") or {}).get("addressing_style") or "auto")
    template = _template(context)
    if template:
        in_host = template.host.startswith(f"{context.bucket}.")
        yield Fact(section, "bucket_in", "host" if in_host else "path")
    if not url.startswith("https:"):
        yield Fact(section, "tls", "no: plain HTTP")
    else:
        verify = _verify(client)
        yield Fact(section, "tls", "yes" if verify is not False else "yes, but the server is not verified")
        name = None if verify is False else verify or "botocore's own"
        yield Fact(section, "certificates", name, variables_with(name))
    yield Fact(section, "proxy", client.proxy, variables_with(client.proxy))


def _verify(client: TransferClient) -> "Union[bool, str, None]":
    """The bundle of certificates: False for none, a path, or None for botocore's own."""
    verify = client.recipe.verify if client.recipe else None
    return None if verify is True else verify


def _template(context: Context) -> Optional[RequestTemplate]:
    """How boto3 addresses the bucket; None if unknown."""
    if context.root is None or context.transfer_client is None:
        return None
    try:
        found = context.transfer_client.template("wire", "HeadBucket", context.bucket)
    except TransferError:
        return None
    return found if isinstance(found, RequestTemplate) else None


def local_server_hint(context: Context) -> str:
    """The hint for users of a local server, if no endpoint is configured and requests would go to AWS; else ""."""
    recipe = context.transfer_client.recipe if context.transfer_client else None
    return f" {LOCAL_SERVER}" if recipe is not None and recipe.endpoint_url is None else ""


def check_certificates(context: Context) -> Finding:
    """Whether the certificate bundle is readable."""
    client = context.create_client()
    if not client.endpoint_url.startswith("https:"):
        return skipped("Plain HTTP has no certificates.")
    bundle = _verify(client)
    if bundle is False:
        message = "The server is not verified; anyone on the network can read and change the data."
        return warning(message, "Set AWS_CA_BUNDLE to the bundle of its certificate authority instead.")
    if bundle and not os.access(bundle, os.R_OK):
        origin = variables_with(bundle)
        message = f"The certificates in {bundle}{f' ({origin})' if origin else ''} can't be read."
        return problem(message, REMEDIES[Code.UNTRUSTED])
    source = bundle or "botocore's own certificates"
    return ok(f"Certificates are checked against {source}; `response` reports the result.")


def check_name(context: Context) -> Finding:
    """Whether the name of the endpoint, or of the proxy before it, resolves."""
    client = context.create_client()
    proxy = client.proxy
    template = _template(context)
    host = urlsplit(proxy or client.endpoint_url).hostname or ""
    if template and not proxy:
        host = template.endpoint.host
    if is_address(host):
        return ok(f"{host} is an address; there is no name to resolve.")
    began = time.monotonic()
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # UnicodeError: an invalid label
        reason = getattr(error, "strerror", None) or str(error)
        unreachable = f"{REMEDIES[Code.UNREACHABLE]}{local_server_hint(context)}"
        remedy = unreachable if not proxy else "Check the proxy (HTTP_PROXY, HTTPS_PROXY, NO_PROXY)."
        return problem(f"The name {shown(host)} does not resolve: {reason}.", remedy)
    addresses = sorted({str(one[4][0]) for one in found})
    more = f" and {len(addresses) - 1} more" if len(addresses) > 1 else ""
    took = (time.monotonic() - began) * 1000
    return ok(f"{host} is {addresses[0]}{more}.", milliseconds=round(took, 1), addresses=len(addresses))


def check_response(context: Context) -> Finding:
    """Whether the endpoint responds, with any status. Uses boto3, which also returns the headers of error responses."""
    from botocore.exceptions import ClientError

    from metaflow_extensions.fasts3.boto.errors import failure_of

    client = context.client.client
    requested_at, began = time.time(), time.monotonic()
    try:
        response = client.head_bucket(Bucket=context.bucket) if context.root else client.list_buckets()
    except ClientError as error:
        response = error.response
    except Exception as error:
        failure = failure_of(error)
        ours = context.create_client()
        unreachable = remedy_of_unreachable(ours)
        usual = unreachable if failure.code is Code.UNREACHABLE else REMEDIES.get(failure.code, unreachable)
        remedy = failure.remedy or usual
        if failure.remedy == NO_TLS:
            return problem(f"The endpoint {without_password(ours.endpoint_url)} has no TLS.", NO_TLS)
        return problem(f"The endpoint does not respond: {shown(failure.message).rstrip('.')}.", remedy)
    seconds = time.monotonic() - began
    about = response.get("ResponseMetadata", {})
    headers = {str(key).lower(): str(value) for key, value in about.get("HTTPHeaders", {}).items()}
    status = int(about.get("HTTPStatusCode", 0))
    context.response = Response(status, headers, requested_at + seconds / 2, seconds)
    server = f" from {shown(headers['server'], MOST_NAMED)}" if "server" in headers else ""
    return ok(
        f"The endpoint responds: HTTP {status}{server}, in {seconds * 1000:.0f} ms.",
        milliseconds=round(seconds * 1000, 1),
    )


def check_clock(context: Context) -> Finding:
    """Whether this machine's clock agrees with the server's."""
    if context.response is None:
        return skipped("The endpoint has not responded.")
    theirs = http_timestamp(context.response.headers.get("date", ""))
    if theirs is None:
        return skipped("The response has no valid Date header.")
    return clock_finding(context.response.moment - (theirs + 0.5))  # Date has whole seconds, rounded down


def clock_finding(ahead: float) -> Finding:
    """The finding about clocks: ours is so many seconds ahead of the server's; a negative number means behind."""
    figures = {"seconds_ahead": round(ahead, 1)}
    if abs(ahead) <= 1:
        return ok("This machine's clock agrees with the server's.", **figures)
    message = f"This machine's clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the server's."
    if abs(ahead) <= SKEW_NOTED:
        return ok(f"{message} S3 accepts this difference.", **figures)
    report = problem if abs(ahead) > SKEW_REFUSED else warning
    return report(f"{message} S3 rejects requests above 15 minutes.", SET_THE_CLOCK, **figures)


def check_region(context: Context) -> Finding:
    """Whether requests are signed for the bucket's own region."""
    recipe = context.create_client().recipe
    ours = (recipe.region if recipe else None) or "no region"
    theirs = shown(context.response.headers.get("x-amz-bucket-region", "") if context.response else "", MOST_NAMED)
    if not theirs:
        return skipped(f"The endpoint does not send the bucket's region. Requests are signed for {ours}.")
    if theirs == ours or (theirs, ours) == ("us-east-1", "aws-global"):
        return ok(f"The bucket is in {theirs}.")
    return warning(
        f"The bucket is in {theirs}, and requests are signed for {ours}. S3 redirects the first one.",
        f"Set AWS_DEFAULT_REGION={theirs}, or region = {theirs} in the profile.",
    )

"""Where requests go, and whether anybody is there: endpoint, region, addressing, TLS, proxies, name, clock."""

import os
import socket
import time
from collections.abc import Iterator
from typing import Any, Optional
from urllib.parse import urlsplit

from metaflow_extensions.fasts3.api.errors import (
    MOST_NAMED,
    NO_TLS,
    REMEDIES,
    is_without_tls,
    shown,
    where_nobody_answers,
)
from metaflow_extensions.fasts3.boto.connection import Connection
from metaflow_extensions.fasts3.boto.redaction import without_password
from metaflow_extensions.fasts3.doctor import origins
from metaflow_extensions.fasts3.doctor.findings import Fact, Finding, ok, problem, skipped, warning
from metaflow_extensions.fasts3.doctor.remedies import with_local_server
from metaflow_extensions.fasts3.doctor.subject import Answer, Subject
from metaflow_extensions.fasts3.wire.addresses import is_address
from metaflow_extensions.fasts3.wire.dates import http_timestamp
from metaflow_extensions.fasts3.wire.failures import Code, TransferError
from metaflow_extensions.fasts3.wire.template import RequestTemplate

SKEW_NOTED = 60.0  # seconds
SKEW_REFUSED = 900.0  # seconds; from there on S3 answers RequestTimeTooSkewed
SET_THE_CLOCK = "Set this machine's clock, or have it set by NTP."


def facts(subject: Subject, connection: Optional[Connection]) -> Iterator[Fact]:
    """Where requests go, and who said so."""
    section, session = "endpoint", subject.session
    endpoint = origins.endpoint_setting(session)
    url = connection.endpoint_url if connection else endpoint.value
    origin = endpoint.origin
    if connection and connection.recipe and (connection.recipe.endpoint_url or None) != (endpoint.value or None):
        origin = "the client provider"
    yield Fact(section, "endpoint_url", without_password(url) if url else None, origin)
    region = origins.region_setting(session)
    used = connection.recipe.region if connection and connection.recipe else region.value
    same = used == region.value or region.value is None
    yield Fact(section, "region", used, region.origin if same else "the client provider")
    style = origins.addressing_setting(session)
    template = template_of(subject)
    yield Fact(section, "addressing_style", style.value or "auto", style.origin)
    if template:
        in_host = template.host.startswith(f"{subject.bucket}.")
        yield Fact(section, "bucket_in", "host" if in_host else "path")
    yield from _tls(session, str(url or "https:"))
    yield from _proxy(connection)
    provider = origins.metaflow_setting("DEFAULT_AWS_CLIENT_PROVIDER")
    yield Fact(section, "client_provider", provider.value, provider.origin)


def _tls(session: Any, url: str) -> Iterator[Fact]:
    if not url.startswith("https:"):
        yield Fact("endpoint", "tls", "no: plain HTTP")
        return
    verify = origins.verify_setting(session)
    yield Fact("endpoint", "tls", "yes" if verify.value is not False else "yes, but the server is not verified")
    bundle = verify.value if isinstance(verify.value, str) else "botocore's own"
    yield Fact("endpoint", "certificates", None if verify.value is False else bundle, verify.origin)


def _proxy(connection: Optional[Connection]) -> Iterator[Fact]:
    url = connection.proxy if connection else None
    if connection is None or url is None:
        yield Fact("endpoint", "proxy", None, "NO_PROXY" if _spared() else "")
        return
    variable = origins.proxy_variable(urlsplit(connection.endpoint_url).scheme)
    chosen = origins.config_option("proxies")
    origin = chosen.origin if chosen else origins.variable(variable) if variable else "this system"
    yield Fact("endpoint", "proxy", url, origin)


def _spared() -> bool:
    """A proxy is configured, and not used."""
    return any(map(origins.proxy_variable, ("http", "https"))) and any(map(os.environ.get, ("no_proxy", "NO_PROXY")))


def template_of(subject: Subject) -> Optional[RequestTemplate]:
    """How a request to the bucket looks; None where that is boto3's business, or nobody can sign."""
    if subject.root is None or subject.connection is None:
        return None
    try:
        found = subject.connection.template("wire", "HeadBucket", subject.bucket)
    except TransferError:
        return None
    return found if isinstance(found, RequestTemplate) else None


def check_certificates(subject: Subject) -> Finding:
    """Whether the bundle of certificates is there."""
    name = "certificates"
    if not subject.known_connection().endpoint_url.startswith("https:"):
        return skipped(name, "Plain HTTP has no certificates.")
    verify = origins.verify_setting(subject.session)
    if verify.value is False:
        told = f"The server is not verified ({verify.origin}); anybody in between may read and change everything."
        return warning(name, told, "Name the bundle of its certificate authority in AWS_CA_BUNDLE instead.")
    if isinstance(verify.value, str) and not os.access(verify.value, os.R_OK):
        told = f"The certificates in {verify.value} ({verify.origin}) can't be read."
        return problem(name, told, REMEDIES[Code.UNTRUSTED])
    bundle = verify.value if isinstance(verify.value, str) else "botocore's own certificates"
    return ok(name, f"The server's certificate has to be one that {bundle} vouch for; `answer` says whether it is.")


def check_name(subject: Subject) -> Finding:
    """Whether the name of the endpoint, or of the proxy before it, resolves."""
    name = "resolve"
    connection = subject.known_connection()
    proxy = connection.proxy
    template = template_of(subject)
    host = urlsplit(proxy or connection.endpoint_url).hostname or ""
    if template and not proxy:
        host = template.endpoint.host
    if is_address(host):
        return ok(name, f"{host} is an address; there is no name to resolve.")
    began = time.monotonic()
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # UnicodeError: a label that no name can have
        said = getattr(error, "strerror", None) or str(error)
        unreachable = with_local_server(REMEDIES[Code.UNREACHABLE], subject)
        remedy = unreachable if not proxy else "Check the proxy (HTTP_PROXY, HTTPS_PROXY, NO_PROXY)."
        return problem(name, f"The name {shown(host)} does not resolve: {said}.", remedy)
    addresses = sorted({str(one[4][0]) for one in found})
    more = f" and {len(addresses) - 1} more" if len(addresses) > 1 else ""
    took = (time.monotonic() - began) * 1000
    return ok(name, f"{host} is {addresses[0]}{more}.", milliseconds=round(took, 1), addresses=len(addresses))


def check_answer(subject: Subject) -> Finding:
    """Whether the endpoint answers, whatever it says; asked by boto3, which tells the headers of errors, too."""
    from botocore.exceptions import ClientError

    from metaflow_extensions.fasts3.boto.errors import failure_of

    name = "answer"
    client = subject.client.client
    asked, began = time.time(), time.monotonic()
    try:
        told = client.head_bucket(Bucket=subject.bucket) if subject.root else client.list_buckets()
    except ClientError as error:
        told = error.response
    except Exception as error:
        failure = failure_of(error)
        connection = subject.known_connection()
        nobody = where_nobody_answers(connection.endpoint_url, connection.proxy)
        unreachable = failure.code is Code.UNREACHABLE
        remedy = failure.remedy or (nobody if unreachable else REMEDIES.get(failure.code, nobody))
        if is_without_tls(failure):
            return problem(name, f"The endpoint {without_password(connection.endpoint_url)} has no TLS.", NO_TLS)
        return problem(name, f"The endpoint does not answer: {shown(failure.message).rstrip('.')}.", remedy)
    seconds = time.monotonic() - began
    about = told.get("ResponseMetadata", {})
    headers = {str(key).lower(): str(value) for key, value in about.get("HTTPHeaders", {}).items()}
    status = int(about.get("HTTPStatusCode", 0))
    subject.answer = Answer(status, headers, asked + seconds / 2, seconds)
    server = f" by {shown(headers['server'], MOST_NAMED)}" if "server" in headers else ""
    return ok(
        name,
        f"The endpoint answers: HTTP {status}{server}, in {seconds * 1000:.0f} ms.",
        milliseconds=round(seconds * 1000, 1),
    )


def check_clock(subject: Subject) -> Finding:
    """Whether this machine's clock is the server's."""
    if subject.answer is None:
        return skipped("clock", "The endpoint has not answered.")
    try:
        theirs = http_timestamp(subject.answer.headers["date"])
    except (KeyError, ValueError):
        return skipped("clock", "The endpoint does not tell its time.")
    return judged_clock(subject.answer.moment - (theirs + 0.5))  # a date is whole seconds, cut off


def judged_clock(ahead: float) -> Finding:
    """The finding about clocks.

    Parameters
    ----------
    ahead : float
        Seconds that our clock is before the server's; negative where it is behind.
    """
    name, figures = "clock", {"seconds_ahead": round(ahead, 1)}
    told = f"This machine's clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the server's"
    if abs(ahead) > SKEW_REFUSED:
        return problem(
            name, f"{told}; S3 refuses what is signed for a time over 15 minutes off.", SET_THE_CLOCK, **figures
        )
    if abs(ahead) > SKEW_NOTED:
        return warning(name, f"{told}; from 15 minutes on S3 refuses requests.", SET_THE_CLOCK, **figures)
    if abs(ahead) <= 1:
        return ok(name, "This machine's clock is the server's.", **figures)
    return ok(name, f"{told}, which does no harm.", **figures)


def check_region(subject: Subject) -> Finding:
    """Whether requests are signed for the bucket's own region."""
    name = "region"
    recipe = subject.known_connection().recipe
    ours = (recipe.region if recipe else None) or "no region"
    theirs = shown(subject.answer.headers.get("x-amz-bucket-region", "") if subject.answer else "", MOST_NAMED)
    if not theirs:
        return skipped(name, f"The endpoint does not tell the bucket's region; requests are for {ours}.")
    if theirs == ours or (theirs, ours) == ("us-east-1", "aws-global"):
        return ok(name, f"The bucket is in {theirs}.")
    return warning(
        name,
        f"The bucket is in {theirs}, and requests are for {ours}: S3 sends the first of them elsewhere.",
        f"Set AWS_DEFAULT_REGION={theirs}, or region = {theirs} in the profile.",
    )

"""The options of the connection to S3, which all commands that use S3 share."""

import functools
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Callable, NamedTuple, Optional

import metaflow.metaflow_config as configuration
from metaflow._vendor import click

from metaflow_extensions.fasts3.api.limits import LEAST_BANDWIDTH
from metaflow_extensions.fasts3.api.s3 import S3
from metaflow_extensions.fasts3.cli.options import Size, not_empty

ENDPOINT = re.compile(r"https?://[^/?#\s]+[^?#\s]*\Z", re.IGNORECASE)
REGION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\Z")  # the labels of host names that boto3 accepts
# Arguments of a boto3 client that take precedence over the credentials of a profile.
CREDENTIALS = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
# Variables that boto3 prefers to AWS_PROFILE; an option comes before them, as in `aws --profile`.
BEFORE_PROFILE = (
    "AWS_DEFAULT_PROFILE",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
)


class Connection(NamedTuple):
    """How a command connects to S3."""

    profile: Optional[str] = None  # of boto3's files; applies while the command runs
    endpoint_url: Optional[str] = None
    region: Optional[str] = None
    anonymous: bool = False  # requests are not signed
    requester_pays: bool = False
    max_connections: Optional[int] = None
    max_bandwidth: Optional[int] = None  # bytes per second

    def open(self, progress: Optional[bool] = None) -> S3:
        """Create the client; see `S3` for `progress`."""
        return S3(
            client_params=self.client_params(),
            max_connections=self.max_connections,
            max_bandwidth=self.max_bandwidth,
            progress=progress,
            anonymous=self.anonymous,
            requester_pays=self.requester_pays,
        )

    def client_params(self) -> "Optional[dict[str, Any]]":
        """The argument of `S3`: these options, and DATATOOLS_CLIENT_PARAMS for all others; None without options."""
        given = {"endpoint_url": self.endpoint_url, "region_name": self.region}
        chosen: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        if self.profile is not None:
            chosen.update(dict.fromkeys(CREDENTIALS))
        return {**(configuration.DATATOOLS_CLIENT_PARAMS or {}), **chosen} if chosen else None


def _endpoint(_: Any, __: Any, value: Optional[str]) -> Optional[str]:
    if value is not None and not ENDPOINT.match(value):  # not repeated: it may contain a password
        raise click.BadParameter("it is not a valid endpoint URL. Write it as https://host or https://host:port.")
    return value


def _bandwidth(_: Any, __: Any, value: Optional[int]) -> Optional[int]:
    if value is not None and value < LEAST_BANDWIDTH:
        raise click.BadParameter(f"it is {value:,} bytes per second, and must be at least {LEAST_BANDWIDTH:,}.")
    return value


def _region(_: Any, __: Any, value: Optional[str]) -> Optional[str]:
    if value is not None and not REGION.match(value):
        raise click.BadParameter(f"{value!r} is not a valid region name. Give a name such as eu-west-1.")
    return value


_OPTIONS = (
    click.option(
        "--profile", metavar="NAME", callback=not_empty, help="Use this profile of the AWS configuration files."
    ),
    click.option(
        "--endpoint-url", metavar="URL", callback=_endpoint, help="Use this server, https://host or https://host:port."
    ),
    click.option("--region", metavar="NAME", callback=_region, help="Use this region, e.g. eu-west-1."),
    click.option("--no-sign-request", is_flag=True, help="Do not sign requests: read public buckets."),
    click.option("--request-payer", is_flag=True, help="Accept the charges of Requester Pays buckets."),
    click.option(
        "--max-connections", type=click.IntRange(1), metavar="N", help="Send at most N requests at the same time."
    ),
    click.option(
        "--max-bandwidth",
        type=Size(largest=None),
        metavar="SIZE",
        callback=_bandwidth,
        help="Transfer at most this many bytes per second, e.g. 50MiB.",
    ),
)


def with_connection(function: "Callable[..., None]") -> "Callable[..., None]":
    """Give a command the options of the connection, as one argument, `connection`."""

    @functools.wraps(function)
    def run(
        *args: Any,
        profile: Optional[str],
        endpoint_url: Optional[str],
        region: Optional[str],
        no_sign_request: bool,
        request_payer: bool,
        max_connections: Optional[int],
        max_bandwidth: Optional[int],
        **kwargs: Any,
    ) -> None:
        if no_sign_request and request_payer:
            raise click.UsageError(
                "--no-sign-request and --request-payer can't be combined: S3 charges the account that signs requests."
            )
        connection = Connection(
            profile, endpoint_url, region, no_sign_request, request_payer, max_connections, max_bandwidth
        )
        with _profile(profile):
            function(*args, connection=connection, **kwargs)

    for option in reversed(_OPTIONS):
        option(run)
    return run


@contextmanager
def _profile(name: Optional[str]) -> "Iterator[None]":
    """Select a profile by the environment of the command: Metaflow's client provider has no argument for it."""
    if name is None:
        yield
        return
    before = dict(os.environ)
    for variable in BEFORE_PROFILE:
        os.environ.pop(variable, None)
    os.environ["AWS_PROFILE"] = name
    try:
        yield
    finally:
        for variable in ("AWS_PROFILE", *BEFORE_PROFILE):
            os.environ.pop(variable, None)
            if variable in before:
                os.environ[variable] = before[variable]

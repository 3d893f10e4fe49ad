"""The credentials of the requests, and their origin."""

import time
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Optional

from metaflow_extensions.fasts3.api.errors import REMEDIES, shown
from metaflow_extensions.fasts3.boto.transfer_client import TransferClient
from metaflow_extensions.fasts3.doctor.context import Context
from metaflow_extensions.fasts3.doctor.findings import Fact, Finding, ok, problem, skipped, warning
from metaflow_extensions.fasts3.doctor.redaction import masked_key
from metaflow_extensions.fasts3.doctor.settings import variables_with
from metaflow_extensions.fasts3.wire.credentials import CredentialSet
from metaflow_extensions.fasts3.wire.failures import Code, TransferError

SOON = 900.0  # seconds before credentials expire
CLIENT_PARAMS = "METAFLOW_DATATOOLS_CLIENT_PARAMS"
STS_TIMEOUT = 2.0  # seconds, to connect and to read
# botocore's names for the sources of credentials (`Credentials.method`), in words.
METHODS = {
    "explicit": f"client_params ({CLIENT_PARAMS})",
    "env": "environment variables",
    "shared-credentials-file": "profile",
    "config-file": "profile",
    "sso": "SSO",
    "login": "aws login",
    "assume-role": "assumed role",
    "assume-role-with-web-identity": "assumed role, web identity",
    "custom-process": "credential_process",
    "container-role": "container",
    "iam-role": "instance metadata",
    "ec2-credentials-file": "file named by AWS_CREDENTIAL_FILE",
    "boto-config": "file of boto 2",
}


def facts(context: Context, client: TransferClient) -> Iterator[Fact]:
    """The facts about credentials."""
    section = "credentials"
    profile = context.session.profile
    yield Fact(section, "profile", profile or "default", context.origin(profile))
    if client.recipe is not None and client.recipe.anonymous:
        yield Fact(section, "method", "none: requests are not signed", "signature_version")
        return
    method = client.credentials.method
    if method is None:
        yield Fact(section, "method", None)
        return
    yield Fact(section, "method", METHODS.get(method, method))
    yield Fact(section, "access_key_id", masked_key(client.identity), variables_with(client.identity))
    try:
        current = client.credentials.current()
    except TransferError:  # the check of credentials reports it
        return
    if current is not None and current.expires is not None:
        expires = datetime.fromtimestamp(current.expires, timezone.utc)
        yield Fact(section, "expires", expires.isoformat(timespec="seconds"))


def check_credentials(context: Context) -> Finding:
    """Whether there are valid credentials."""
    client = context.create_client()
    if client.recipe is not None and client.recipe.anonymous:
        return ok("Requests are not signed, as configured.")
    try:
        current = client.credentials.current()
    except TransferError as error:
        remedy = error.failure.remedy or REMEDIES.get(error.failure.code, "")
        return problem(f"No credentials: {shown(error.failure.message).rstrip('.')}.", remedy)
    if current is None:
        return problem("boto3 finds no credentials.", REMEDIES[Code.NO_CREDENTIALS])
    return (
        _expiry(current)
        or _unused_profile(context, client)
        or ok(f"Requests are signed as {masked_key(client.identity)}.")
    )


def _expiry(current: CredentialSet) -> Optional[Finding]:
    """The finding about credentials that have expired or expire soon."""
    left = None if current.expires is None else current.expires - time.time()
    if left is None or left >= SOON:
        return None
    if left <= 0:
        return problem(f"The credentials expired {-left / 60:.0f} minutes ago.", REMEDIES[Code.EXPIRED])
    return warning(f"The credentials expire in {left / 60:.0f} minutes.", REMEDIES[Code.EXPIRED])


def _unused_profile(context: Context, client: TransferClient) -> Optional[Finding]:
    """The finding about a chosen profile that other credentials override."""
    profile, method = context.session.profile, client.credentials.method
    if profile is None or method not in ("env", "explicit"):
        return None
    return warning(
        f"The credentials of profile {profile!r} ({context.origin(profile)}) are not used, because those of "
        f"{METHODS[method]} come first.",
        "Unset AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or the profile."
        if method == "env"
        else f"Remove the credentials from {CLIENT_PARAMS}, or unset the profile.",
    )


def check_identity(context: Context) -> Finding:
    """The owner of the access key id, by GetCallerIdentity of AWS's STS, which needs no permission."""
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    recipe = context.create_client().recipe
    current = None if recipe is None or recipe.anonymous else context.create_client().credentials.current()
    if recipe is None or current is None:
        return skipped("Requests are not signed with AWS credentials, so STS is not called.")
    if recipe.endpoint_url is not None:
        return skipped("The endpoint is not AWS's own, so STS is not called.")
    client = context.session.create_client(
        "sts",
        region_name=recipe.region if recipe.region and not recipe.region.endswith("-global") else "us-east-1",
        aws_access_key_id=current.access_key,
        aws_secret_access_key=current.secret_key,
        aws_session_token=current.token,
        config=Config(connect_timeout=STS_TIMEOUT, read_timeout=STS_TIMEOUT, retries={"total_max_attempts": 1}),
    )
    try:
        arn = client.get_caller_identity()["Arn"]
    except (BotoCoreError, ClientError) as error:
        return skipped(f"STS did not return the identity: {shown(str(error)).rstrip('.')}.")
    finally:
        client.close()
    return ok(f"The credentials belong to {shown(arn)}.")

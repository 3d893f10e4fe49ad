"""As whom requests are signed, and who said so. Secrets are never read here, but where they come from."""

import os
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any, Optional

from metaflow_extensions.fasts3.api.errors import REMEDIES, shown
from metaflow_extensions.fasts3.boto.connection import Connection
from metaflow_extensions.fasts3.doctor.concealing import masked_key
from metaflow_extensions.fasts3.doctor.findings import Fact, Finding, ok, problem, skipped, warning
from metaflow_extensions.fasts3.doctor.origins import CLIENT_PARAMS, boto_setting, profile_file
from metaflow_extensions.fasts3.doctor.subject import Subject
from metaflow_extensions.fasts3.wire.failures import Code, TransferError

SOON = 900.0  # seconds before credentials expire
STS_TIMEOUT = 2.0  # seconds, to connect and to read
# What botocore calls its ways to credentials (`METHOD` of each provider in botocore.credentials), in words.
METHODS = {
    "explicit": f"client_params (METAFLOW_{CLIENT_PARAMS})",
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
OF_A_PROFILE = frozenset({"shared-credentials-file", "config-file", "sso", "login", "assume-role", "custom-process"})
# What tells a profile's way to credentials, and so in which file it stands.
NAMED_BY = {"sso": ("sso_session", "sso_account_id"), "assume-role": ("role_arn",), "login": ("login_session",)}
ACCESS_KEY = "aws_access_key_id"


def facts(subject: Subject, connection: Connection) -> Iterator[Fact]:
    """Who signs."""
    section = "credentials"
    profile = boto_setting(subject.session, "profile")
    yield Fact(section, "profile", profile.value or "default", profile.origin)
    if connection.recipe is not None and connection.recipe.anonymous:
        yield Fact(section, "method", "none: requests are not signed", "signature_version")
        return
    method = connection.credentials_method
    if method is None:
        yield Fact(section, "method", None)
        return
    yield Fact(section, "method", METHODS.get(method, method), origin_of(subject.session, method))
    yield Fact(section, "access_key_id", masked_key(connection.identity))
    expires = _expiry(connection)
    if expires is not None:
        yield Fact(section, "expires", datetime.fromtimestamp(expires, timezone.utc).isoformat(timespec="seconds"))


def origin_of(session: Any, method: str) -> str:
    """Where exactly the credentials of one of botocore's methods come from; "" where there is no more to say."""
    if method == "env":
        return ", ".join(name for name in ("AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN") if name in os.environ)
    if method == "container-role":
        names = ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI")
        return next((name for name in names if name in os.environ), "")
    if method == "assume-role-with-web-identity" and "AWS_WEB_IDENTITY_TOKEN_FILE" in os.environ:
        return f"AWS_WEB_IDENTITY_TOKEN_FILE, {os.environ.get('AWS_ROLE_ARN', '')}"
    if method not in OF_A_PROFILE:
        return ""
    profile = session.get_config_variable("profile") or "default"
    scoped = session.get_scoped_config()
    name = next((one for one in NAMED_BY.get(method, ()) if one in scoped), ACCESS_KEY)
    said = f"{scoped['role_arn']}, " if name == "role_arn" else ""
    return f"{said}profile {profile!r} in {profile_file(session, profile, name)}"


def check_credentials(subject: Subject) -> Finding:
    """Whether there is somebody to sign as."""
    name = "credentials"
    connection = subject.known_connection()
    if connection.recipe is not None and connection.recipe.anonymous:
        return ok(name, "Requests are not signed, as configured.")
    try:
        current = connection.credentials()
    except TransferError as error:
        remedy = error.failure.remedy or REMEDIES.get(error.failure.code, "")
        return problem(name, f"No credentials: {shown(error.failure.message).rstrip('.')}.", remedy)
    if current is None:
        return problem(name, "boto3 finds no credentials.", REMEDIES[Code.NO_CREDENTIALS])
    left = None if current.expires is None else current.expires - time.time()
    if left is not None and left <= 0:
        return problem(name, f"The credentials expired {-left / 60:.0f} minutes ago.", REMEDIES[Code.EXPIRED])
    if left is not None and left < SOON:
        return warning(name, f"The credentials expire in {left / 60:.0f} minutes.", REMEDIES[Code.EXPIRED])
    return _hidden_profile(subject, connection) or ok(
        name, f"Requests are signed as {masked_key(connection.identity)}."
    )


def _hidden_profile(subject: Subject, connection: Connection) -> Optional[Finding]:
    """A profile was chosen, and something else is used all the same: what users look for longest."""
    profile = boto_setting(subject.session, "profile")
    method = connection.credentials_method
    if profile.value is None or method not in ("env", "explicit"):
        return None
    return warning(
        "credentials",
        f"The credentials of profile {profile.value!r} ({profile.origin}) are not used, because those of "
        f"{METHODS[method]} come first.",
        "Unset AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or the profile."
        if method == "env"
        else f"Take the credentials out of METAFLOW_{CLIENT_PARAMS}, or unset the profile.",
    )


def _expiry(connection: Connection) -> Optional[float]:
    try:
        current = connection.credentials()
    except TransferError:
        return None
    return current.expires if current else None


def check_identity(subject: Subject) -> Finding:
    """Whose access key id it is, as AWS's STS says; other servers have none, as a rule."""
    name = "identity"
    recipe = subject.known_connection().recipe
    if recipe is None or recipe.anonymous:
        return skipped(name, "Nobody signs that STS could know.")
    if recipe.endpoint_url is not None:
        return skipped(name, "The endpoint is not AWS's own, so STS is not asked.")
    return told_by_sts(subject, recipe.region)


def told_by_sts(subject: Subject, region: Optional[str]) -> Finding:
    """The finding about the identity: GetCallerIdentity, which needs no permission."""
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    name = "identity"
    current = subject.known_connection().credentials()
    if current is None:
        return skipped(name, "Nobody signs that STS could know.")
    client = subject.session.create_client(
        "sts",
        region_name=region if region and not region.endswith("-global") else "us-east-1",
        aws_access_key_id=current.access_key,
        aws_secret_access_key=current.secret_key,
        aws_session_token=current.token,
        config=Config(connect_timeout=STS_TIMEOUT, read_timeout=STS_TIMEOUT, retries={"total_max_attempts": 1}),
    )
    try:
        arn = client.get_caller_identity()["Arn"]
    except (BotoCoreError, ClientError) as error:
        return skipped(name, f"STS did not tell: {shown(str(error)).rstrip('.')}.")
    finally:
        client.close()
    return ok(name, f"Requests are those of {shown(arn)}.")

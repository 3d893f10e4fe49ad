"""Translates exceptions of boto3's credential providers into one reason and one remedy.

A provider may run a program, read files, or call STS, SSO or a metadata service. Messages never contain the output of a
program or service: it may contain the secret.
"""

import json
import os
from typing import Any, NamedTuple, Optional

import botocore.exceptions as botocore_errors
from botocore.parsers import ResponseParserError

from metaflow_extensions.fasts3.boto.botocore_private import profile_of
from metaflow_extensions.fasts3.boto.errors import PROVIDERS, causes, frames
from metaflow_extensions.fasts3.wire.failures import Code, Failure
from metaflow_extensions.fasts3.wire.local_files import NO_DESCRIPTORS, local_failure

PROGRAM = "custom-process"  # botocore.credentials.ProcessProvider.METHOD
WEB_IDENTITY = "assume-role-with-web-identity"
OF_THE_MACHINE = frozenset({"container-role", "iam-role"})
MOST_STDERR = 300  # characters of a program's stderr
CHECK_PROXY = "Check that the proxy is running, and HTTP_PROXY, HTTPS_PROXY and NO_PROXY."
CHECK_NETWORK = "Check the network, the region and the proxy settings (HTTPS_PROXY, NO_PROXY)."
NOT_AWS = (
    "Another server, for instance a proxy, may have responded. Check HTTPS_PROXY, NO_PROXY and, if it is set, "
    "AWS_ENDPOINT_URL_STS."
)
SET_REGION = "Set AWS_DEFAULT_REGION, or region in the profile."
RUN_BY_HAND = "Run the command of credential_process by hand to see why."
CHECK_TOKENS = "Check AWS_WEB_IDENTITY_TOKEN_FILE, or web_identity_token_file in the profile."
CHECK_ROLE = "Check the role's ARN, and that its trust policy allows this identity to assume it."
WITHOUT_MFA = (
    "Get temporary credentials first, for instance with `aws sts get-session-token --serial-number ARN --token-code "
    "CODE`, and export them, or use a profile without mfa_serial."
)
CHECK_CLOCK = "Check this machine's clock, and log in again."
CHECK_MACHINE = "Check that the container or machine has a role, and that its credentials endpoint can be reached."
CHECK_PROFILE = "Check the profile (AWS_PROFILE) in ~/.aws/config and ~/.aws/credentials."


class _Provider(NamedTuple):
    """Which provider failed, for which profile."""

    method: str  # its METHOD
    profile: Optional[str]  # None: the default one

    @property
    def of_profile(self) -> str:
        return f" of profile {self.profile!r}" if self.profile else ""

    @property
    def service(self) -> str:
        return f"the credentials service ({self.method})" if self.method else "the credentials service"

    @property
    def option(self) -> str:
        """The option of a command that names the profile."""
        return f" --profile {self.profile}" if self.profile else ""


def profile_in_use(session_vars: Optional["dict[str, Any]"] = None) -> Optional[str]:
    """The profile of a session with these arguments; None for the default one."""
    chosen = (session_vars or {}).get("profile_name")
    return str(chosen) if chosen else os.environ.get("AWS_PROFILE") or os.environ.get("AWS_DEFAULT_PROFILE") or None


def failure_of_provider(error: Exception, method: str = "", profile: Optional[str] = None) -> Failure:
    """Translate an exception of a credential provider, by botocore's name of it, into a failure with a remedy.

    It is NO_CREDENTIALS, with a specific remedy if there is one; or NO_DESCRIPTORS.
    """
    if isinstance(error, botocore_errors.NoCredentialsError):
        return Failure(Code.NO_CREDENTIALS, str(error))
    for cause in causes(error):
        if isinstance(cause, OSError) and cause.errno in NO_DESCRIPTORS:
            return local_failure(cause)
    reason, remedy = _explained(error, _provider(error, method, profile or profile_in_use()))
    return Failure(Code.NO_CREDENTIALS, reason, remedy=remedy)


def _provider(error: Exception, method: str, profile: Optional[str]) -> _Provider:
    """The provider that failed: the innermost one, since one may call another."""
    named = getattr(error, "kwargs", {}).get("provider")
    for frame in frames(error):
        provider = frame.f_locals.get("self")
        if frame.f_globals.get("__name__") == PROVIDERS and getattr(provider, "METHOD", None):
            method = provider.METHOD
            profile = profile_of(provider) or profile
    return _Provider(str(named or method), profile)


def _explained(error: Any, provider: _Provider) -> "tuple[str, str]":
    """The reason and the remedy."""
    if provider.method == PROGRAM and not isinstance(error, SSO):  # the program's source may be an SSO session
        return f"credential_process{provider.of_profile} {_of_program(error)}", RUN_BY_HAND
    if isinstance(error, botocore_errors.ClientError):
        document = error.response.get("Error", {})
        reason = ": ".join(str(part) for part in (document.get("Code"), document.get("Message")) if part)
        remedy = CHECK_ROLE if error.operation_name.startswith("AssumeRole") else CHECK_PROFILE
        return f"{error.operation_name} was refused: {reason}", remedy
    for types, reason, remedy in BY_TYPE:
        if isinstance(error, types):
            texts = {"of_profile": provider.of_profile, "option": provider.option, "service": provider.service}
            return reason.format(**texts, error=_sentence(error)), remedy.format(**texts)
    if isinstance(error, OSError) and provider.method == WEB_IDENTITY:
        why = error.strerror or _sentence(error)
        return f"the web identity token file {error.filename!r} can't be read: {why}", CHECK_TOKENS
    if provider.method in OF_THE_MACHINE:
        return _sentence(error), CHECK_MACHINE
    return _sentence(error), CHECK_PROFILE if isinstance(error, botocore_errors.BotoCoreError) else ""


def _of_program(error: Any) -> str:
    if isinstance(error, botocore_errors.CredentialRetrievalError):
        stderr = " ".join(str(error.kwargs.get("error_msg") or "").split())[:MOST_STDERR]
        return f"failed: {stderr}" if stderr else "exited with an error and wrote nothing to stderr"
    if isinstance(error, OSError):
        return f"can't be started: {error.filename}: {error.strerror or error}"
    if isinstance(error, (json.JSONDecodeError, UnicodeDecodeError, AttributeError, TypeError)):
        return "printed something other than a JSON object with credentials"
    if isinstance(error, ValueError):
        return "is not a valid command, or printed an Expiration that is not a date"
    return f"failed: {_sentence(error)}"


def _sentence(error: object) -> str:
    return str(error) or type(error).__name__


SSO = (botocore_errors.SSOError, botocore_errors.TokenRetrievalError)
_LOGIN: "tuple[type, ...]" = tuple(filter(None, [getattr(botocore_errors, "LoginError", None)]))  # since botocore 1.41
# Reason and remedy; the first match applies.
BY_TYPE: "tuple[tuple[tuple[type, ...], str, str], ...]" = (
    (SSO, "the SSO session{of_profile} is missing or has expired", "Run `aws sso login{option}`."),
    (_LOGIN, "the login session{of_profile} is missing or has expired", "Run `aws login{option}`."),
    (
        (botocore_errors.RefreshWithMFAUnsupportedError, EOFError),
        "the role{of_profile} requires an MFA code, and this process can't prompt for it",
        WITHOUT_MFA,
    ),
    ((botocore_errors.ProxyConnectionError,), "{service} can't be reached: {error}", CHECK_PROXY),
    (
        (botocore_errors.ConnectionError, botocore_errors.HTTPClientError),
        "{service} can't be reached: {error}",
        CHECK_NETWORK,
    ),
    ((botocore_errors.NoRegionError,), "STS can't be called: {error}", SET_REGION),
    (
        (ResponseParserError, KeyError, TypeError, AttributeError, ValueError),
        "the response of {service} can't be parsed",
        NOT_AWS,
    ),
    # Of botocore's RefreshableCredentials.
    ((RuntimeError,), "the credentials{of_profile} are expired even after a refresh", CHECK_CLOCK),
)

"""What boto3's credential providers raise, as one reason and one remedy.

A provider may run a program, read files, ask STS, SSO or a metadata service, and any of these may fail in its own way.
What a program or a service returned is never repeated: it may hold the secret.
"""

import json
import os
from typing import Any, Callable, NamedTuple, Optional

import botocore.exceptions as botocore_errors
from botocore.parsers import ResponseParserError

from metaflow_extensions.fasts3.boto.botocore_private import profile_of
from metaflow_extensions.fasts3.boto.errors import PROVIDERS, causes, frames
from metaflow_extensions.fasts3.wire.failures import Code, Failure
from metaflow_extensions.fasts3.wire.local_files import NO_DESCRIPTORS, local_failure

PROGRAM = "custom-process"  # botocore.credentials.ProcessProvider.METHOD
WEB_IDENTITY = "assume-role-with-web-identity"
OF_THE_MACHINE = frozenset({"container-role", "iam-role"})
MOST_STDERR = 300  # characters of what a program wrote to stderr
CHECK_PROXY = "Check that the proxy is running, and HTTP_PROXY, HTTPS_PROXY and NO_PROXY."
CHECK_NETWORK = "Check the network, the region and the proxy settings (HTTPS_PROXY, NO_PROXY)."
NOT_AWS = (
    "Another server, for instance a proxy, may have answered. Check HTTPS_PROXY, NO_PROXY and, if it is set, "
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


class NoSuchError(Exception):
    """Stands for what an older botocore does not have."""


class _Provider(NamedTuple):
    """Which provider failed, for which profile."""

    method: str  # its METHOD
    profile: Optional[str]  # None: the default one

    @property
    def of_profile(self) -> str:
        return f" of profile {self.profile!r}" if self.profile else ""

    @property
    def service(self) -> str:
        return f"the service that gives credentials ({self.method})" if self.method else "the service for credentials"

    def login(self, command: str) -> str:
        """The sentence that asks for a login."""
        return f"Run `{command}{f' --profile {self.profile}' if self.profile else ''}`."


def profile_in_use(session_vars: Optional["dict[str, Any]"] = None) -> Optional[str]:
    """The profile that a session of these variables uses; None for the default one."""
    chosen = (session_vars or {}).get("profile_name")
    return str(chosen) if chosen else os.environ.get("AWS_PROFILE") or os.environ.get("AWS_DEFAULT_PROFILE") or None


def failure_of_provider(error: Exception, method: str = "", profile: Optional[str] = None) -> Failure:
    """What an exception of a credential provider means, with what to do.

    Parameters
    ----------
    error : Exception
    method : str, optional
        botocore's name for the provider, where it is known.
    profile : str, optional

    Returns
    -------
    Failure
        NO_CREDENTIALS, with a remedy of its own where one is known; NO_DESCRIPTORS.
    """
    if isinstance(error, botocore_errors.NoCredentialsError):
        return Failure(Code.NO_CREDENTIALS, str(error))
    for cause in causes(error):
        if isinstance(cause, OSError) and cause.errno in NO_DESCRIPTORS:
            return local_failure(cause)
    reason, remedy = _told(error, _provider(error, method, profile or profile_in_use()))
    return Failure(Code.NO_CREDENTIALS, reason, remedy=remedy)


def _provider(error: Exception, method: str, profile: Optional[str]) -> _Provider:
    """The provider that failed: the innermost one, as one may ask another."""
    named = getattr(error, "kwargs", {}).get("provider")
    for frame in frames(error):
        provider = frame.f_locals.get("self")
        if frame.f_globals.get("__name__") == PROVIDERS and getattr(provider, "METHOD", None):
            method = provider.METHOD
            profile = profile_of(provider) or profile
    return _Provider(str(named or method), profile)


Told = tuple[str, str]  # the reason and the remedy


def _told(error: Exception, provider: _Provider) -> Told:
    tell = next((tell for types, tell in BY_TYPE if isinstance(error, types)), _other)
    of_program = provider.method == PROGRAM and tell is not _sso  # its source may be one
    return (_program if of_program else tell)(error, provider)


def _sso(_: Exception, provider: _Provider) -> Told:
    return f"the SSO session{provider.of_profile} is missing or has expired", provider.login("aws sso login")


def _login(_: Exception, provider: _Provider) -> Told:
    return f"the login session{provider.of_profile} is missing or has expired", provider.login("aws login")


def _mfa(_: Exception, provider: _Provider) -> Told:
    return f"the role{provider.of_profile} needs an MFA code, which can't be asked for here", WITHOUT_MFA


def _proxy(error: Exception, provider: _Provider) -> Told:
    return f"{provider.service} can't be reached: {_sentence(error)}", CHECK_PROXY


def _network(error: Exception, provider: _Provider) -> Told:
    return f"{provider.service} can't be reached: {_sentence(error)}", CHECK_NETWORK


def _region(error: Exception, _: _Provider) -> Told:
    return f"STS can't be asked: {_sentence(error)}", SET_REGION


def _refused(error: Any, _: _Provider) -> Told:
    document = error.response.get("Error", {})
    said = ": ".join(str(part) for part in (document.get("Code"), document.get("Message")) if part)
    assuming = error.operation_name.startswith("AssumeRole")
    return f"{error.operation_name} was refused: {said}", CHECK_ROLE if assuming else CHECK_PROFILE


def _unparsed(_: Exception, provider: _Provider) -> Told:
    return f"the response of {provider.service} can't be parsed", NOT_AWS


def _file(error: Any, provider: _Provider) -> Told:
    if provider.method != WEB_IDENTITY:
        return _other(error, provider)
    said = error.strerror or _sentence(error)
    return f"the web identity token file {error.filename!r} can't be read: {said}", CHECK_TOKENS


def _expired(_: Exception, provider: _Provider) -> Told:
    return f"the credentials{provider.of_profile} were refreshed, and have expired all the same", CHECK_CLOCK


def _other(error: Exception, provider: _Provider) -> Told:
    if provider.method in OF_THE_MACHINE:
        return _sentence(error), CHECK_MACHINE
    return _sentence(error), CHECK_PROFILE if isinstance(error, botocore_errors.BotoCoreError) else ""


def _program(error: Exception, provider: _Provider) -> Told:
    if isinstance(error, botocore_errors.CredentialRetrievalError):
        stderr = " ".join(str(error.kwargs.get("error_msg") or "").split())[:MOST_STDERR]
        said = f"failed: {stderr}" if stderr else "exited with an error and wrote nothing to stderr"
    elif isinstance(error, OSError):
        said = f"can't be started: {error.filename}: {error.strerror or error}"
    elif isinstance(error, (json.JSONDecodeError, UnicodeDecodeError, AttributeError, TypeError)):
        said = "printed something other than a JSON object with credentials"
    elif isinstance(error, ValueError):
        said = "can't be run as it is written, or printed an Expiration that is no date"
    else:
        said = f"failed: {_sentence(error)}"
    return f"credential_process{provider.of_profile} {said}", RUN_BY_HAND


def _sentence(error: Exception) -> str:
    return str(error) or type(error).__name__


# The first that fits counts.
BY_TYPE: "tuple[tuple[tuple[type, ...], Callable[[Any, _Provider], Told]], ...]" = (
    ((botocore_errors.SSOError, botocore_errors.TokenRetrievalError), _sso),
    ((getattr(botocore_errors, "LoginError", NoSuchError),), _login),  # since botocore 1.41
    ((botocore_errors.RefreshWithMFAUnsupportedError, EOFError), _mfa),
    ((botocore_errors.ProxyConnectionError,), _proxy),
    ((botocore_errors.ConnectionError, botocore_errors.HTTPClientError), _network),
    ((botocore_errors.NoRegionError,), _region),
    ((botocore_errors.ClientError,), _refused),
    ((OSError,), _file),
    ((ResponseParserError, KeyError, TypeError, AttributeError, ValueError), _unparsed),
    ((RuntimeError,), _expired),  # of botocore's RefreshableCredentials
)

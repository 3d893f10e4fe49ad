"""A boto3 client, and the transfers made from it: on our own HTTP client or on boto3, here or in workers."""

# Imported now, which no fork interrupts (see clients.py), and not by the first thread that resolves a name.
import encodings.idna  # noqa: F401
from typing import Any, Optional, Union
from urllib.parse import urlsplit

from metaflow_extensions.fasts3.boto.botocore_private import credentials_of, sign_with
from metaflow_extensions.fasts3.boto.credentials import SigningCredentials
from metaflow_extensions.fasts3.boto.errors import failure_of
from metaflow_extensions.fasts3.boto.recipe import (
    ClientRecipe,
    GivenCredentials,
    NotPortable,
    build,
    recipe_of,
    tries_once,
)
from metaflow_extensions.fasts3.boto.redaction import without_password, without_secrets
from metaflow_extensions.fasts3.boto.request_templates import RequestTemplates
from metaflow_extensions.fasts3.boto.transfers import Boto3Transfers
from metaflow_extensions.fasts3.wire.credentials import CredentialSet
from metaflow_extensions.fasts3.wire.failures import Code, TransferError
from metaflow_extensions.fasts3.wire.fallback import WithFallback
from metaflow_extensions.fasts3.wire.template import NoTemplate, RequestTemplate
from metaflow_extensions.fasts3.wire.transfers import Transfers
from metaflow_extensions.fasts3.wire.wire_transfers import WireTransfers

INLINE_CONNECTIONS = 16  # kept alive by a client in the user's process


class Connection:
    """A client and what is known of it. Made for one process; a forked child makes its own.

    Parameters
    ----------
    client : botocore.client.S3
    ours : bool
        Made by us, from settings: it may be used as it is.
    profile : str, optional
        The profile that it was made with, for messages.

    Attributes
    ----------
    boto3 : Boto3Transfers
        For jobs in the user's process, by boto3.
    recipe : ClientRecipe or None
        From which workers make the same client; None where they can't.
    why_inline : str or None
        Why they can't.
    """

    def __init__(self, client: Any, ours: bool, profile: Optional[str] = None) -> None:
        credentials = credentials_of(client)
        self._credentials = SigningCredentials(credentials, profile=profile)
        self.endpoint_url = str(getattr(getattr(client, "meta", None), "endpoint_url", ""))
        _check(self.endpoint_url)
        self.recipe: Optional[ClientRecipe] = None
        self.why_inline: Optional[str] = None
        try:
            self.recipe = recipe_of(client)
        except NotPortable as error:
            self.why_inline = str(error)
        if self.recipe is not None:
            signs_as = credentials and GivenCredentials(self.credentials)
            # The user's own client is left as it is; a company's provider may have left our settings out of ours.
            if ours and tries_once(client):
                sign_with(client, signs_as)
            else:
                client = build(self.recipe, signs_as, INLINE_CONNECTIONS)
        self.boto3 = Boto3Transfers(client)
        self._templates = None if self.recipe is None else RequestTemplates(client)
        self._wire = WithFallback(WireTransfers(self._template, self.credentials), lambda: self.boto3)

    def transfers(self, chosen: str) -> Transfers:
        """The transfers for jobs in the user's process.

        Parameters
        ----------
        chosen : str
            `Settings.transfers`.
        """
        return self.boto3 if self.why_boto3(chosen) else self._wire

    def why_boto3(self, chosen: str, bucket: str = "") -> Optional[str]:
        """Why boto3 makes the transfers and not our own HTTP client; None where it does not.

        Parameters
        ----------
        chosen : str
            `Settings.transfers`.
        bucket : str, optional
            Its own reason too.
        """
        if self.why_inline:
            return self.why_inline
        if chosen == "boto3":
            return "S3_TRANSFERS is 'boto3'"
        if self.proxy:
            return "a proxy stands between"
        return self._wire.reasons.get(bucket)

    def template(self, chosen: str, operation: str, bucket: str) -> Union[RequestTemplate, str]:
        """How workers send an operation on a bucket, or why they have to leave it to boto3.

        Raises
        ------
        TransferError
            There are no credentials.
        """
        reason = self.why_boto3(chosen, bucket)
        if reason:
            return reason
        try:
            return self._template(operation, bucket)
        except NoTemplate as error:
            return str(error)
        except TransferError as error:
            if error.failure.code is Code.NO_CREDENTIALS:
                raise
            return f"boto3 refuses: {error.failure.message}"  # boto3 raises the same for each job

    def _template(self, operation: str, bucket: str) -> RequestTemplate:
        if self._templates is None:
            raise NoTemplate(self.why_inline or "")
        try:
            return self._templates(operation, bucket)
        except NoTemplate:
            raise
        except Exception as error:
            raise TransferError(failure_of(error)) from error

    @property
    def proxy(self) -> Optional[str]:
        """The URL of the proxy that requests go through, without a password; None where there is none, or not known."""
        proxies = self.recipe.config["proxies"] if self.recipe else {}
        url = proxies.get(urlsplit(self.endpoint_url).scheme)
        return without_password(url if "://" in url else f"http://{url}") if url else None

    def credentials(self) -> Optional[CredentialSet]:
        """The set to sign with now; see `SigningCredentials.current`."""
        return self._credentials.current()

    def renew_credentials(self, refused: int) -> bool:
        """S3 says that the set has expired; see `SigningCredentials.renew`."""
        return self._credentials.renew(refused)

    def conceal(self, text: str) -> str:
        """A text without passwords in URLs and these credentials' secrets: a server may repeat what it was sent."""
        text, known = without_password(text), self._credentials.known
        return without_secrets(text, filter(None, (known.secret_key, known.token))) if known else text

    @property
    def identity(self) -> str:
        """The access key id that requests are signed with, for messages; no secret."""
        if self.recipe is not None and self.recipe.anonymous:
            return "nobody (unsigned)"
        return self._credentials.access_key

    @property
    def credentials_method(self) -> Optional[str]:
        """How botocore came by the credentials; see `SigningCredentials.method`."""
        return self._credentials.method


def _check(endpoint_url: str) -> None:
    """Raise ValueError for an endpoint that can't be one; botocore would say so of each request, and less clearly."""
    if "://" not in endpoint_url:  # a stub's, for a test; botocore's own has a scheme
        return
    parts = urlsplit(endpoint_url)
    if parts.scheme not in ("http", "https"):
        raise ValueError(f"Invalid endpoint: {endpoint_url}: it begins with neither https:// nor http://")
    try:
        possible = parts.port != 0
    except ValueError:
        possible = False
    if not possible:
        raise ValueError(f"Invalid endpoint: {endpoint_url}: a port is a number from 1 to 65535")

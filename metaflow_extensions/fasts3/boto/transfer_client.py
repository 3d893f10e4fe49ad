"""A boto3 client and its transfers: on our own HTTP client or on boto3, in this process or in workers."""

# Imported here, where no fork interrupts it (see clients.py), and not by the first thread that resolves a name.
import encodings.idna  # noqa: F401
from typing import Any, Callable, Optional, TypeVar, Union
from urllib.parse import urlsplit

from botocore import UNSIGNED

from metaflow_extensions.fasts3.boto.botocore_private import credentials_of, sign_with
from metaflow_extensions.fasts3.boto.credentials import ANONYMOUS, SigningCredentials
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
from metaflow_extensions.fasts3.boto.regions import partition_of, regions_at
from metaflow_extensions.fasts3.boto.request_arguments import version_argument
from metaflow_extensions.fasts3.boto.request_templates import RequestTemplates
from metaflow_extensions.fasts3.boto.transfers import Boto3Transfers
from metaflow_extensions.fasts3.wire.failures import Code, TransferError
from metaflow_extensions.fasts3.wire.fallback import WithFallback
from metaflow_extensions.fasts3.wire.log import log
from metaflow_extensions.fasts3.wire.template import NoTemplate, RequestTemplate
from metaflow_extensions.fasts3.wire.transfers import Transfers
from metaflow_extensions.fasts3.wire.wire_transfers import WireTransfers

ADD_HEADER = "Add the header x-amz-request-payer in one of its event handlers instead."
DEFAULT_REGION = "us-east-1"  # S3 refuses it as a LocationConstraint
NO_REGIONS = frozenset({None, DEFAULT_REGION, "aws-global"})
INLINE_CONNECTIONS = 16  # kept alive by a client in the user's process
_Result = TypeVar("_Result")


class TransferClient:
    """A client, its credentials and its transfers, for one process: a forked child creates its own.

    A client that is `ours` was created by this package, which may modify it. `profile` is for messages. With
    `requester_pays`, requests accept the charges of Requester Pays buckets; raises NotPortable if that can't be applied
    to this client, because it can't be copied. `boto3` are the transfers of this process on boto3. `why_inline` says
    why workers can't create the same client. `proxy` is the URL of the proxy, without a password; None without a proxy,
    or if it is unknown.
    """

    def __init__(self, client: Any, ours: bool, profile: Optional[str] = None, requester_pays: bool = False) -> None:
        self.requester_pays = requester_pays
        credentials = credentials_of(client)
        self.credentials = SigningCredentials(credentials, profile=profile)
        self.endpoint_url = str(getattr(getattr(client, "meta", None), "endpoint_url", ""))
        _check(self.endpoint_url)
        self._regions = regions_at(self.endpoint_url)
        self._recipe: Optional[ClientRecipe] = None
        self.why_inline: Optional[str] = None
        try:
            self._recipe = recipe_of(client)._replace(requester_pays=requester_pays)
        except NotPortable as error:
            if requester_pays:
                raise NotPortable(f"requester_pays can't be applied to this client: {error}. {ADD_HEADER}") from error
            self.why_inline = str(error)
        self.proxy: Optional[str] = None
        if self._recipe is not None:
            url = self._recipe.config["proxies"].get(urlsplit(self.endpoint_url).scheme)
            self.proxy = without_password(url if "://" in url else f"http://{url}") if url else None
            signs_as = credentials and GivenCredentials(self.credentials.current)
            # The user's own client is not modified. A company's provider may have ignored our settings, or may return
            # one client for all calls, which must not pay for them.
            if ours and tries_once(client) and not requester_pays:
                sign_with(client, signs_as)
            else:
                client = build(self._recipe, signs_as, INLINE_CONNECTIONS)
        self._client = client
        self.boto3 = Boto3Transfers(client)
        self._templates = None if self._recipe is None else RequestTemplates(client)
        self._wire = WithFallback(WireTransfers(self._template, self.credentials.current), lambda: self.boto3)

    @property
    def recipe(self) -> Optional[ClientRecipe]:
        """Workers create the same client from it; None if they can't."""
        return None if self._recipe is None else self._recipe._replace(regions=dict(self._regions))

    def transfers(self, chosen: str) -> Transfers:
        """The transfers for jobs in the user's process, as `Settings.transfers` chooses."""
        return self.boto3 if self.why_boto3(chosen) else self._wire

    def why_boto3(self, chosen: str, bucket: str = "") -> Optional[str]:
        """Why boto3 transfers the data, also for this bucket, and not our own HTTP client; None if the latter does."""
        if self.why_inline:
            return self.why_inline
        if chosen == "boto3":
            return "S3_TRANSFERS is 'boto3'"
        if self.proxy:
            return "requests go through a proxy"
        return self._wire.reasons.get(bucket)

    def template(self, chosen: str, operation: str, bucket: str) -> Union[RequestTemplate, str]:
        """The template for an operation on a bucket, or the reason why workers must use boto3.

        Raises TransferError if there are no credentials.
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

    def learn_region(self, bucket: str, region: str) -> bool:
        """Direct the requests for a bucket to another region from now on, after a redirect.

        The region is the one that the redirect names; if that is "", S3 is asked for it. Returns whether a request that
        was redirected may succeed when it is sent again.
        """
        recipe = self._recipe
        # boto3 has followed redirects of a client that it runs itself, and an ARN contains its region.
        if recipe is None or bucket.startswith("arn:"):
            return False
        region = region or self.boto3.region_of(bucket)
        known = self._regions.get(bucket)
        if not region or region == (known or recipe.region):
            return bool(region and known)  # another job of this call has learned it
        if recipe.endpoint_url is None and partition_of(region) != partition_of(recipe.region or ""):
            return False  # other hosts, and other accounts
        log.debug("bucket %s is in region %s", bucket, region)
        self._regions[bucket] = region
        return True

    def conceal(self, text: str) -> str:
        """A text without passwords in URLs and the secrets of the credentials; a server may repeat them."""
        text, known = without_password(text), self.credentials.known
        return without_secrets(text, filter(None, (known.secret_key, known.token))) if known else text

    @property
    def is_anonymous(self) -> bool:
        """Whether requests are not signed."""
        config = getattr(getattr(self._client, "meta", None), "config", None)
        return getattr(config, "signature_version", None) is UNSIGNED

    def presigned(self, sends: str, bucket: str, key: str, version_id: Optional[str], expires_in: int) -> str:
        """A presigned URL, valid for so many seconds: a request with its signature, for whoever has it.

        `sends` is the method of boto3 that sends such a request. Raises TransferError if there are no credentials, or
        boto3 rejects the bucket's name. https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
        """
        wanted = {"Bucket": bucket, "Key": key, **version_argument(version_id)}
        return str(_translated(lambda: self._client.generate_presigned_url(sends, wanted, expires_in)))

    def list_buckets(self) -> list[str]:
        """The names of the account's buckets; raises TransferError."""
        return [str(bucket["Name"]) for bucket in _translated(self._client.list_buckets).get("Buckets", ())]

    def create_bucket(self, bucket: str) -> None:
        """Create a bucket, in the region of the client; raises TransferError."""
        region = self._client.meta.region_name
        place = {} if region in NO_REGIONS else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        _translated(lambda: self._client.create_bucket(Bucket=bucket, **place))

    @property
    def identity(self) -> str:
        """The access key id of the requests, for messages; not a secret."""
        if self._recipe is not None and self._recipe.anonymous:
            return ANONYMOUS
        return self.credentials.access_key


def _translated(call: "Callable[[], _Result]") -> _Result:
    """Call boto3; raise its exceptions as TransferError."""
    try:
        return call()
    except Exception as error:
        raise TransferError(failure_of(error)) from error


def _check(endpoint_url: str) -> None:
    """Raise ValueError for an invalid endpoint; botocore would fail at each request, with a less clear error."""
    if "://" not in endpoint_url:  # that of a stub; botocore's own has a scheme
        return
    parts = urlsplit(endpoint_url)
    if parts.scheme not in ("http", "https"):
        raise ValueError(f"Invalid endpoint: {endpoint_url}: it must begin with https:// or http://")
    try:
        possible = parts.port != 0
    except ValueError:
        possible = False
    if not possible:
        raise ValueError(f"Invalid endpoint: {endpoint_url}: the port must be a number from 1 to 65535")

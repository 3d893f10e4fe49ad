"""The data that the checks share: the root, the client, and the results of earlier checks."""

import contextlib
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Optional

import metaflow.metaflow_config as configuration
from metaflow.exception import MetaflowException

from metaflow_extensions.fasts3.api.location import as_directory, split_url
from metaflow_extensions.fasts3.api.placement import Place
from metaflow_extensions.fasts3.api.s3 import S3
from metaflow_extensions.fasts3.boto.clients import S3Client
from metaflow_extensions.fasts3.boto.redaction import secrets_in
from metaflow_extensions.fasts3.boto.transfer_client import TransferClient
from metaflow_extensions.fasts3.doctor.limits import TookTooLong, limited
from metaflow_extensions.fasts3.doctor.redaction import Redactor, secrets_in_environment
from metaflow_extensions.fasts3.doctor.settings import COMMAND_LINE, variables_with
from metaflow_extensions.fasts3.plans.plan import Plan
from metaflow_extensions.fasts3.wire.failures import TransferError

FOLDER = ".metaflow-fasts3-doctor"  # below the root, for the one object that is written
CLEANUP_LIMIT = 3.0  # seconds
# Metaflow's configuration during the checks: retries for seconds, not minutes, and not printed to stdout.
CONFIGURATION = {
    "S3_RETRY_COUNT": 2,
    "S3_TRANSIENT_RETRY_COUNT": 2,
    "S3_OUTAGE_TIMEOUT": 3.0,
    "S3_LOG_TRANSIENT_RETRIES": False,
}
_ABSENT = object()  # a setting that an older Metaflow does not have


class Access(NamedTuple):
    """The options of the command for the connection, except for the parameters of its client."""

    given: frozenset[str] = frozenset()  # values of options: the profile, the endpoint, the region
    max_connections: Optional[int] = None
    max_bandwidth: Optional[float] = None


class Response(NamedTuple):
    """The endpoint's response to the first request."""

    status: int
    headers: "dict[str, str]"  # names in lower case
    moment: float  # Unix time by our clock, halfway between request and response
    seconds: float


@dataclass
class Context:
    """One root, one client and their properties. A context manager that removes the written object."""

    root: Optional[str]  # s3://bucket/prefix; None if there is none
    root_origin: str = ""
    read_only: bool = False
    throughput: bool = True
    tmproot: str = "."
    client: S3Client = field(default_factory=S3Client)
    access: Access = field(default_factory=Access)
    transfer_client: Optional[TransferClient] = None
    response: Optional[Response] = None
    listing_error: Optional[MetaflowException] = None
    first_key: Optional[str] = None  # of an object below the root that is not empty
    written: Optional[str] = None  # the URL of the object to remove
    body: bytes = b""
    redactor: Redactor = field(default_factory=lambda: Redactor(secrets_in_environment()))

    def __post_init__(self) -> None:
        self.redactor.add(secrets_in(configuration.DATATOOLS_CLIENT_PARAMS))
        self.redactor.add(secrets_in(configuration.DATATOOLS_SESSION_VARS))
        self.s3 = S3(
            tmproot=None if self.tmproot == os.curdir else self.tmproot,
            external_client=self.client,
            max_connections=self.access.max_connections,
            max_bandwidth=self.access.max_bandwidth,
        )
        self._before: dict[str, Any] = {}
        self._session: Any = None

    def __enter__(self) -> "Context":
        self._before = {name: getattr(configuration, name, _ABSENT) for name in CONFIGURATION}
        _configure(CONFIGURATION)
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self.written is not None:
                with contextlib.suppress(MetaflowException, TookTooLong):  # the check `delete` reports failures
                    limited(CLEANUP_LIMIT, self.delete)
        finally:
            self.s3.close()
            _configure(self._before)

    @contextlib.contextmanager
    def configuration_of_user(self) -> Iterator[None]:
        """Undo the doctor's own configuration for a while."""
        _configure(self._before)
        try:
            yield
        finally:
            _configure(CONFIGURATION)

    @property
    def session(self) -> Any:
        """A botocore session with the configuration.

        Raises BotoCoreError if boto3's files are not readable, or lack the profile.
        """
        if self._session is None:
            import botocore.session

            session = botocore.session.get_session()
            self.redactor.add(secrets_in(session.full_config.get("profiles", {})))
            session.get_scoped_config()
            self._session = session
        return self._session

    def create_client(self) -> TransferClient:
        """Create the client, unless it exists. From then on its secrets are removed from the output."""
        if self.transfer_client is None:
            self.transfer_client = self.client.transfer_client
            try:
                current = self.transfer_client.credentials.current()
            except TransferError:  # the check of credentials reports it
                current = None
            if current:
                self.redactor.add(filter(None, (current.secret_key, current.token)))
        return self.transfer_client

    def origin(self, value: Any) -> str:
        """The origin of a value: an option, or the environment variables with this value; "" if there is none."""
        return COMMAND_LINE if value in self.access.given else variables_with(value)

    def run(self, plan: Plan) -> None:
        """Run requests for which `S3` has no public method."""
        self.s3._executor.run(plan, Place.HERE)

    @property
    def bucket(self) -> str:
        """The bucket of the root."""
        return split_url(self.root or "")[0]

    @property
    def prefix(self) -> str:
        """The prefix of the root, with a slash at its end; "" for a whole bucket."""
        return split_url(as_directory(self.root or ""))[1]

    def new_url(self) -> str:
        """A URL below the root that does not exist."""
        return f"s3://{self.bucket}/{self.prefix}{FOLDER}/{uuid.uuid4().hex}"

    def delete(self) -> None:
        """Delete the written object, if any."""
        if self.written is not None:
            self.s3.delete(self.written)
            self.written = None


def _configure(values: "dict[str, Any]") -> None:
    for name, value in values.items():
        if value is _ABSENT:
            delattr(configuration, name)
        else:
            setattr(configuration, name, value)

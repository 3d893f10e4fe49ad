"""What is examined, and what one check has found out for the next."""

import contextlib
import os
import uuid
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Optional

import metaflow.metaflow_config as configuration
from metaflow.exception import MetaflowException

from metaflow_extensions.fasts3.api.executor import Executor, Place
from metaflow_extensions.fasts3.api.location import as_directory, split_url
from metaflow_extensions.fasts3.api.s3 import S3
from metaflow_extensions.fasts3.boto.clients import S3Client
from metaflow_extensions.fasts3.boto.connection import Connection
from metaflow_extensions.fasts3.boto.redaction import secrets_in
from metaflow_extensions.fasts3.doctor.concealing import Concealer, secrets_around
from metaflow_extensions.fasts3.doctor.limits import TookTooLong, limited
from metaflow_extensions.fasts3.plans.jobs import Job
from metaflow_extensions.fasts3.plans.plan import Plan, Requests
from metaflow_extensions.fasts3.wire.failures import TransferError

FOLDER = ".metaflow-fasts3-doctor"  # below the root: where the one object that is written lies
CLEANUP_LIMIT = 3.0  # seconds
TRIES_AFTER_THE_FIRST = 2  # a hiccup is no finding; what stays wrong is told soon
OUTAGE = 3.0  # seconds; instead of minutes
# What Metaflow is configured to, for the time of the examination. The last prints to the standard output.
PATIENCE = {
    "S3_RETRY_COUNT": TRIES_AFTER_THE_FIRST,
    "S3_TRANSIENT_RETRY_COUNT": TRIES_AFTER_THE_FIRST,
    "S3_OUTAGE_TIMEOUT": OUTAGE,
    "S3_LOG_TRANSIENT_RETRIES": False,
}
_ABSENT = object()  # what an older Metaflow does not know


class Answer(NamedTuple):
    """How the endpoint answered the first request."""

    status: int
    headers: "dict[str, str]"  # names in lower case
    moment: float  # Unix time by our clock, halfway between question and answer
    seconds: float


@dataclass
class Subject:
    """One root, one client and what is known of them. A context manager: whatever happens, nothing is left behind."""

    root: Optional[str]  # s3://bucket/prefix; None where there is none
    root_origin: str = ""
    read_only: bool = False
    throughput: bool = True
    tmproot: str = "."
    client: S3Client = field(default_factory=S3Client)
    connection: Optional[Connection] = None
    answer: Optional[Answer] = None
    listing_error: Optional[MetaflowException] = None
    first_key: Optional[str] = None  # of an object below the root that has bytes
    written: Optional[str] = None  # the URL of what may have to be removed
    body: bytes = b""
    concealer: Concealer = field(default_factory=lambda: Concealer(secrets_around()))

    def __post_init__(self) -> None:
        self.concealer.add(secrets_in(configuration.DATATOOLS_CLIENT_PARAMS))
        self.concealer.add(secrets_in(configuration.DATATOOLS_SESSION_VARS))
        self.s3 = S3(tmproot=None if self.tmproot == os.curdir else self.tmproot, external_client=self.client)
        self._executor = Executor(self.known_connection)
        self._before: dict[str, Any] = {}
        self._session: Any = None

    def __enter__(self) -> "Subject":
        self._before = {name: getattr(configuration, name, _ABSENT) for name in PATIENCE}
        _configure(PATIENCE)
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.clean_up()
        finally:
            self.s3.close()
            _configure(self._before)

    @property
    def session(self) -> Any:
        """The session of botocore, to ask where settings come from.

        Raises
        ------
        botocore.exceptions.BotoCoreError
            The files of boto3 can't be read, or have no such profile.
        """
        if self._session is None:
            import botocore.session

            session = botocore.session.get_session()
            self.concealer.add(secrets_in(session.full_config.get("profiles", {})))
            session.get_scoped_config()
            self._session = session
        return self._session

    def clean_up(self) -> None:
        """Remove what was written, if it is still there. Failures are the delete check's to tell."""
        if self.written is not None:
            with contextlib.suppress(MetaflowException, TookTooLong):
                limited(CLEANUP_LIMIT, self.delete)

    def connect(self) -> Connection:
        """Have the client made, and its secrets known."""
        self.connection = self.client.connection
        try:
            current = self.connection.credentials()
        except TransferError:  # the check of credentials tells
            current = None
        if current:
            self.concealer.add(filter(None, (current.secret_key, current.token)))
        return self.connection

    def known_connection(self) -> Connection:
        """The connection of the client."""
        return self.connection or self.connect()

    def run(self, plan: Plan) -> None:
        """Carry out a plan as `S3` does, in this process."""
        self._executor.run(plan, Place.HERE)

    @property
    def bucket(self) -> str:
        """The root's."""
        return split_url(self.root or "")[0]

    @property
    def prefix(self) -> str:
        """The beginning of all keys below the root: empty, or with a slash at its end."""
        return split_url(as_directory(self.root or ""))[1]

    def new_url(self) -> str:
        """A URL below the root that nothing has."""
        return f"s3://{self.bucket}/{self.prefix}{FOLDER}/{uuid.uuid4().hex}"

    def delete(self) -> None:
        """Delete what was written; no error where it is not there."""
        if self.written is not None:
            self.run(Requests([Job(0, "delete", *split_url(self.written))]))
            self.written = None


def _configure(values: "dict[str, Any]") -> None:
    for name, value in values.items():
        if value is _ABSENT:
            delattr(configuration, name)
        else:
            setattr(configuration, name, value)

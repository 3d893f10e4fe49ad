"""Class `S3`: the constructor, and the methods that do not transfer data."""

import weakref
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, NamedTuple, Optional, TypeVar, Union

import metaflow.metaflow_config as configuration
from metaflow.debug import debug
from metaflow.metaflow_config import S3_SERVER_SIDE_ENCRYPTION, TEMPDIR

from metaflow_extensions.fasts3.api.arguments import check_access
from metaflow_extensions.fasts3.api.buckets import BucketMethods
from metaflow_extensions.fasts3.api.delete import DeleteMethods
from metaflow_extensions.fasts3.api.directories import DirectoryMethods
from metaflow_extensions.fasts3.api.errors import MOST_URL, MetaflowS3Exception, MetaflowS3URLException, shown
from metaflow_extensions.fasts3.api.executor import Executor
from metaflow_extensions.fasts3.api.extra_args import of_client
from metaflow_extensions.fasts3.api.files import FileMethods
from metaflow_extensions.fasts3.api.get import GetMethods
from metaflow_extensions.fasts3.api.iterate import IterateMethods
from metaflow_extensions.fasts3.api.limits import checked_failure_rate, chosen_limits
from metaflow_extensions.fasts3.api.list_info import ListMethods
from metaflow_extensions.fasts3.api.local_paths import refuse_home
from metaflow_extensions.fasts3.api.location import SCHEME, location_of
from metaflow_extensions.fasts3.api.presign import PresignMethods
from metaflow_extensions.fasts3.api.progress import Progress
from metaflow_extensions.fasts3.api.progress_display import Setting, checked
from metaflow_extensions.fasts3.api.recursive_copies import RecursiveCopyMethods
from metaflow_extensions.fasts3.api.temporary_directory import TemporaryDirectory, roots
from metaflow_extensions.fasts3.api.uploads import UploadMethods
from metaflow_extensions.fasts3.api.versions import VersionMethods
from metaflow_extensions.fasts3.boto.clients import S3Client, metaflows_client, transfer_client_of
from metaflow_extensions.fasts3.boto.redaction import secrets_in
from metaflow_extensions.fasts3.boto.settings import Chosen, Settings
from metaflow_extensions.fasts3.workers import worker_pool

if TYPE_CHECKING:
    import metaflow.client.core
    import metaflow.flowspec


NOT_PICKLED = "Create the S3 client in each step and process that uses it, and pass its root instead."


class _Choices(NamedTuple):
    """The arguments of a client, except for its location and the boto3 client."""

    failure_rate: float
    limits: Chosen
    progress: Setting
    tmproots: tuple[str, ...]


class _Readable:
    """An attribute that is computed when it is read; unlike a property, subclasses and tests can assign to it."""

    def __init__(self, read: Callable[["S3"], Any]) -> None:
        self._read = read

    def __get__(self, client: Optional["S3"], owner: object = None) -> Any:
        return self if client is None else self._read(client)


_ASSEMBLED = {"_executor", "_tempdir", "_prefetches", "_files"}  # by `S3._assemble`
_Self = TypeVar("_Self", bound="S3")


class S3(
    GetMethods,
    FileMethods,
    IterateMethods,
    ListMethods,
    DirectoryMethods,
    RecursiveCopyMethods,
    VersionMethods,
    PresignMethods,
    DeleteMethods,
    UploadMethods,
    BucketMethods,
):
    """
    The Metaflow S3 client.

    This object manages the connection to S3 and a temporary directory for downloaded objects. If the data fits in
    memory, downloads usually cause no disk I/O, because the operating system caches the files.

    Use this object as a context manager:
    ```
    with S3() as s3:
        data = [obj.blob for obj in s3.get_many(urls)]
    print(data)
    ```
    The context manager deletes the temporary directory at the end of the block. Without a context manager, call
    `.close()` to delete it:
    ```
    s3 = S3()
    data = [obj.blob for obj in s3.get_many(urls)]
    s3.close()
    ```
    `tmproot` sets the location of the temporary directory. It defaults to the current working directory.

    A client can have a root, to which keys are relative. There are three ways to specify locations:

    1. Use a `metaflow.Run` object or `self`, e.g. `S3(run=self)`. The root is `DATATOOLS_S3ROOT` followed by the flow
       name and the run ID, which versions data by run. `bucket` and `prefix` override parts of `DATATOOLS_S3ROOT`.

    2. Specify the root explicitly with `s3root`, e.g. `S3(s3root='s3://mybucket/some/path')`.

    3. Specify nothing, i.e. `S3()`. All operations then require full S3 URLs that begin with `s3://`.

    Threads and forked child processes can share a client. It can be pickled, for another process or as an artifact,
    unless it has an `external_client`, or credentials in `client_params` or `session_vars`.

    Parameters
    ----------
    tmproot : str, optional, default None
        Parent of the temporary directory. METAFLOW_TEMPDIR if None; if that is not set, the working directory, or the
        system's temporary directory if the working directory is not writable.
    bucket : str, optional, default None
        Overrides the bucket of `DATATOOLS_S3ROOT`; requires `run`.
    prefix : str, optional, default None
        Overrides the path of `DATATOOLS_S3ROOT`; requires `run`.
    run : FlowSpec or Run, optional, default None
        Derives the root from the current run or a past one, e.g. `S3(run=self)`.
    s3root : str, optional, default None
        Root of the client, an S3 URL; not together with `run`.
    encryption : str, optional, default None
        Server-side encryption of uploaded objects, e.g. 'AES256' or 'aws:kms'.
    role : str, optional, default None
        ARN of the IAM role to assume.
    session_vars : Dict, optional, default None
        Arguments of the boto3 session. DATATOOLS_SESSION_VARS if None.
    client_params : Dict, optional, default None
        Arguments of the boto3 client, e.g. `endpoint_url` or `config`. DATATOOLS_CLIENT_PARAMS if None.
    external_client : optional, default None
        A boto3 S3 client, or an object with one as its attribute `client`, to use instead; `role`, `session_vars` and
        `client_params` are then ignored.
    inject_failure_rate : float, default 0
        Percentage of first attempts that fail on purpose, to test retries; at most 90. The percentage halves with each
        retry. With 100, all attempts fail.
    max_connections : int, optional, default None
        Maximum number of concurrent requests of a call, all its workers together. METAFLOW_S3_WORKER_COUNT if None;
        256 if that is not set.
    max_bandwidth : float, optional, default None
        Maximum bytes of object data per second, downloads and uploads, that a call transfers, all its workers
        together; at least 1,024. The limit applies to each call: concurrent calls in several threads do not share it.
        No limit if None.
    part_size : int, optional, default None
        Bytes of each range of a download and of each part of an upload, from 5 MiB (5 * 2**20) to 5 GiB. An object of
        at most this size is one request. Values in memory and open files are uploaded in parts of at most 32 MiB.
        8 MiB if None.
    progress : bool or Callable[[Progress], None], optional, default None
        How progress is reported. None: for calls longer than 2 seconds, a bar on a terminal and in a notebook (lines
        in a notebook without tqdm), a line every 10 seconds in the log of a task, nothing elsewhere. True: from the
        start of each call, and elsewhere as lines on stderr. False: never. A function is called with a `Progress` at
        most every 0.1 s, and with `done=True` at the end, in the thread that runs the call, which may not be the
        caller's thread; an exception that it raises ends the call. See docs/progress.md.
    anonymous : bool, default False
        If True, requests are not signed, and no credentials are necessary: for public buckets. Not together with
        `role`, `external_client` or `requester_pays`.
    requester_pays : bool, default False
        If True, the requester's account accepts the charges for requests to Requester Pays buckets and for their data.
    extra_args : Dict, optional, default None
        Headers of all uploaded objects, by the names of boto3's `ExtraArgs`, e.g. `{"StorageClass": "STANDARD_IA"}`.
        Arguments of a call override them. See docs/object_headers.md.

    Raises
    ------
    MetaflowS3URLException
        The location is invalid.
    MetaflowS3Exception
        `inject_failure_rate`, `max_connections`, `max_bandwidth`, `part_size`, `progress`, `anonymous`,
        `requester_pays` or `extra_args` is invalid.
    """

    TYPE = "s3"

    @classmethod
    def get_root_from_config(cls, echo: Callable[..., None], create_on_absent: bool = True) -> Optional[str]:
        """Return DATATOOLS_S3ROOT, the root of versioned data; Metaflow's IncludeFile calls this method."""
        root: Optional[str] = configuration.DATATOOLS_S3ROOT
        return root

    def __init__(
        self,
        tmproot: Optional[str] = None,
        bucket: Optional[str] = None,
        prefix: Optional[str] = None,
        run: Optional[Union["metaflow.flowspec.FlowSpec", "metaflow.client.core.Run"]] = None,
        s3root: Optional[str] = None,
        encryption: Optional[str] = S3_SERVER_SIDE_ENCRYPTION,
        role: Optional[str] = None,
        session_vars: Optional[dict[str, Any]] = None,
        client_params: Optional[dict[str, Any]] = None,
        external_client: Any = None,
        inject_failure_rate: float = 0,
        max_connections: Optional[int] = None,
        max_bandwidth: Optional[float] = None,
        part_size: Optional[int] = None,
        progress: Union[bool, Callable[[Progress], None], None] = None,
        anonymous: bool = False,
        requester_pays: bool = False,
        extra_args: Optional[dict[str, Any]] = None,
    ) -> None:
        if isinstance(tmproot, str) and tmproot.startswith(SCHEME):
            raise MetaflowS3URLException(
                f"tmproot must be a local directory; '{shown(tmproot, MOST_URL)}' is an S3 URL. Use S3(s3root=...)."
            )
        if tmproot is not None:
            refuse_home(tmproot)
        self._location = location_of(bucket, prefix, run, s3root)
        self._encryption = encryption
        self._extra_headers = of_client(extra_args, encryption, S3_SERVER_SIDE_ENCRYPTION)
        check_access(anonymous, requester_pays, role, external_client)
        self._client = external_client or S3Client(role, session_vars, client_params, anonymous)
        if isinstance(self._client, S3Client) and requester_pays:
            self._client = S3Client(*self._client.parameters._replace(requester_pays=True))
        self._requester_pays = requester_pays
        limits = chosen_limits(max_connections, max_bandwidth, part_size)
        tmproots = roots(TEMPDIR) if tmproot is None else (tmproot,)
        self._choices = _Choices(checked_failure_rate(inject_failure_rate), limits, checked(progress), tmproots)
        self._assemble()

    def _assemble(self) -> None:
        """Create the parts that copies and other processes do not share."""
        failure_rate, limits, progress, tmproots = self._choices
        self._executor = Executor(
            partial(transfer_client_of, self._client, self._requester_pays), failure_rate, limits, progress
        )
        self._tempdir = TemporaryDirectory(*tmproots)
        self._prefetches = weakref.WeakSet()
        self._files = weakref.WeakSet()

    def __getstate__(self) -> dict[str, Any]:
        if not isinstance(self._client, S3Client):
            raise MetaflowS3Exception(
                f"{self!r} can't be pickled: it has an external_client, which belongs to this process. {NOT_PICKLED}"
            )
        if any(secrets_in(list(self._client.parameters))):
            raise MetaflowS3Exception(
                f"{self!r} can't be pickled: the pickle would reveal the credentials in client_params or session_vars. "
                f"{NOT_PICKLED}"
            )
        state = {name: value for name, value in self.__dict__.items() if name not in _ASSEMBLED}
        return {**state, "_client": self._client.parameters}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _client=S3Client(*state["_client"]))
        self._assemble()

    def __copy__(self: _Self) -> _Self:
        copied = object.__new__(type(self))
        copied.__dict__.update(self.__dict__)
        copied._assemble()
        return copied

    def __deepcopy__(self: _Self, memo: dict[int, Any]) -> _Self:
        return self.__copy__()

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, *args: object) -> None:
        self.close()

    def __repr__(self) -> str:
        location = getattr(self, "_location", None)  # a debugger may call this before __init__ ends
        return f"<S3 {shown(location.root, MOST_URL) if location and location.root else 'with full s3:// URLs'}>"

    # Attributes of Metaflow's own class that are private, and that extensions and users read nevertheless.
    _s3root: Any = _Readable(lambda self: self._location.root)
    _tmpdir: Any = _Readable(lambda self: self._tempdir.path())
    _s3_client: Any = _Readable(lambda self: metaflows_client(self._client))

    def close(self) -> None:
        """
        Delete all temporary files that this client downloaded, and close its files.

        Files of `open` that are being written are aborted, not stored.

        The client remains usable. The next `close`, or the end of the process, deletes files downloaded later.
        """
        for prefetch in list(self._prefetches):
            prefetch.close()
        for file in list(self._files):
            file.abandon()
        if not debug.s3client:  # METAFLOW_DEBUG_S3CLIENT keeps the files, as it does for Metaflow's own class
            self._tempdir.remove()

    @staticmethod
    def stop_workers() -> None:
        """
        Stop the idle worker processes of this process.

        Workers stay for 10 seconds after a call, for the next call. Stop them earlier if the program waits for all its
        child processes, e.g. with `os.wait()`, or needs their memory. Workers that run a call in another thread
        continue. The next call starts new workers.
        """
        worker_pool.shared.close()

    @property
    def transfers(self) -> str:
        """
        The implementation that transfers data, and the reason.

        Returns
        -------
        str
            'wire' for this package's own, or 'boto3' with the reason, e.g. 'boto3: requests go through a proxy'. boto3
            also serves single buckets that the wire does not support; the logger `metaflow_fasts3` names them at DEBUG.
        """
        reason = self._executor.client().why_boto3(Settings.read().transfers)
        return f"boto3: {reason}" if reason else "wire"

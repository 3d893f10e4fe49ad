"""Class S3, put together."""

import weakref
from typing import TYPE_CHECKING, Any, Callable, NamedTuple, Optional, TypeVar, Union

import metaflow.metaflow_config as configuration
from metaflow.debug import debug
from metaflow.metaflow_config import S3_SERVER_SIDE_ENCRYPTION, TEMPDIR

from metaflow_extensions.fasts3.api.delete import DeleteMethods
from metaflow_extensions.fasts3.api.directories import DirectoryMethods
from metaflow_extensions.fasts3.api.errors import MOST_URL, MetaflowS3Exception, MetaflowS3URLException, shown
from metaflow_extensions.fasts3.api.executor import Executor
from metaflow_extensions.fasts3.api.get import GetMethods
from metaflow_extensions.fasts3.api.iterate import IterateMethods
from metaflow_extensions.fasts3.api.limits import chosen_limits
from metaflow_extensions.fasts3.api.list_info import ListMethods
from metaflow_extensions.fasts3.api.local_paths import refuse_home
from metaflow_extensions.fasts3.api.location import SCHEME, location_of
from metaflow_extensions.fasts3.api.progress import Progress
from metaflow_extensions.fasts3.api.progress_display import Setting, checked
from metaflow_extensions.fasts3.api.temporary_directory import TemporaryDirectory, roots
from metaflow_extensions.fasts3.boto.clients import S3Client, connection_of
from metaflow_extensions.fasts3.boto.redaction import secrets_in
from metaflow_extensions.fasts3.boto.settings import Chosen, Settings
from metaflow_extensions.fasts3.workers import worker_pool

if TYPE_CHECKING:
    import metaflow.client.core
    import metaflow.flowspec

    from metaflow_extensions.fasts3.boto.connection import Connection

NOT_PICKLED = "Make the S3 where it is used, in each step and in each process, and keep its root instead."


class _Choices(NamedTuple):
    """What a client was made with, besides its location and the boto3 client."""

    failure_rate: float
    limits: Chosen
    progress: Setting
    tmproots: tuple[str, ...]


_Self = TypeVar("_Self", bound="S3")


class S3(GetMethods, IterateMethods, ListMethods, DirectoryMethods, DeleteMethods):
    """
    The Metaflow S3 client.

    This object manages the connection to S3 and a temporary directory that is used to download objects. Note that in
    most cases when the data fits in memory, no local disk IO is needed as operations are cached by the operating
    system, which makes operations fast as long as there is enough memory available.

    The easiest way is to use this object as a context manager:
    ```
    with S3() as s3:
        data = [obj.blob for obj in s3.get_many(urls)]
    print(data)
    ```
    The context manager takes care of creating and deleting a temporary directory automatically. Without a context
    manager, you must call `.close()` to delete the directory explicitly:
    ```
    s3 = S3()
    data = [obj.blob for obj in s3.get_many(urls)]
    s3.close()
    ```
    You can customize the location of the temporary directory with `tmproot`. It defaults to the current working
    directory.

    To make it easier to deal with object locations, the client can be initialized with an S3 path prefix. There are
    three ways to handle locations:

    1. Use a `metaflow.Run` object or `self`, e.g. `S3(run=self)` which initializes the prefix with the global
       `DATATOOLS_S3ROOT` path, combined with the current run ID. This mode makes it easy to version data based on the
       run ID consistently. You can use the `bucket` and `prefix` to override parts of `DATATOOLS_S3ROOT`.

    2. Specify an S3 prefix explicitly with `s3root`, e.g. `S3(s3root='s3://mybucket/some/path')`.

    3. Specify nothing, i.e. `S3()`, in which case all operations require a full S3 url prefixed with `s3://`.

    One client may be used by many threads, and by a forked child. It can be pickled, for another process or as an
    artifact, unless it has an `external_client`, or credentials in `client_params` or `session_vars`.

    Parameters
    ----------
    tmproot : str, optional, default None
        Where to store the temporary directory. METAFLOW_TEMPDIR if None; if that is not set either, the working
        directory, or the system's temporary directory where the working directory can't be written to.
    bucket : str, optional, default None
        Override the bucket from `DATATOOLS_S3ROOT` when `run` is specified.
    prefix : str, optional, default None
        Override the path from `DATATOOLS_S3ROOT` when `run` is specified.
    run : FlowSpec or Run, optional, default None
        Derive path prefix from the current or a past run ID, e.g. S3(run=self).
    s3root : str, optional, default None
        If `run` is not specified, use this as the S3 prefix.
    encryption : str, optional, default None
        Server-side encryption to use when uploading objects to S3.
    role : str, optional, default None
        ARN of an IAM role to assume.
    session_vars : Dict, optional, default None
        Variables of the boto3 session; DATATOOLS_SESSION_VARS if None.
    client_params : Dict, optional, default None
        Arguments of the boto3 client, e.g. `endpoint_url` or `config`; DATATOOLS_CLIENT_PARAMS if None.
    external_client : optional, default None
        A boto3 S3 client, or an object that has one as `client`, to use instead; then the three above do not count.
    inject_failure_rate : float, default 0
        Per cent of first attempts that fail on purpose, to try out retries; at most 90, and half as many of each
        further attempt. With 100, all attempts fail.
    max_connections : int, optional, default None
        Requests that a call may have under way at the same time, all its workers together. 256 if None, or what
        METAFLOW_S3_WORKER_COUNT says.
    max_bandwidth : float, optional, default None
        Bytes of objects per second that a call may move, downloads and uploads, all its workers together; at least
        1,024. Several calls at the same time, in threads, may do so each. No limit if None.
    part_size : int, optional, default None
        Bytes of the pieces in which large objects are downloaded, and of the parts in which they are uploaded, from
        5 MiB (5 * 2**20) to 5 GiB. What is larger is cut, what is not is one request. Values in memory and open files
        are cut into parts of 32 MiB at the most. 8 MiB if None.
    progress : bool or Callable[[Progress], None], optional, default None
        How progress is reported. None: where it takes longer than 2 seconds, a bar on a terminal and in a
        notebook (lines there without tqdm), a line every 10 seconds in the log of a task, nothing elsewhere. True:
        at once, and elsewhere as lines on stderr. False: never. A function is called with a `Progress` at most every
        0.1 s, and with `done=True` at the end, in the thread that carries out the call, which may not be that of the
        caller; what it raises ends the call and is raised by it. See docs/progress.md.

    Raises
    ------
    MetaflowS3URLException
        The location is invalid; the message says what to do.
    MetaflowS3Exception
        One of the limits, or `progress`, is invalid.
    """

    TYPE = "s3"

    @classmethod
    def get_root_from_config(cls, echo: Callable[..., None], create_on_absent: bool = True) -> Optional[str]:
        """The root of versioned data, as Metaflow's IncludeFile asks for it: DATATOOLS_S3ROOT."""
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
    ) -> None:
        if isinstance(tmproot, str) and tmproot.startswith(SCHEME):
            raise MetaflowS3URLException(
                f"tmproot is a local directory, and '{shown(tmproot, MOST_URL)}' is an S3 URL. Write S3(s3root=...)."
            )
        if tmproot is not None:
            refuse_home(tmproot)
        self._location = location_of(bucket, prefix, run, s3root)
        self._encryption = encryption
        self._client = external_client or S3Client(role, session_vars, client_params)
        limits = chosen_limits(max_connections, max_bandwidth, part_size)
        tmproots = roots(TEMPDIR) if tmproot is None else (tmproot,)
        self._choices = _Choices(inject_failure_rate, limits, checked(progress), tmproots)
        self._assemble()

    def _assemble(self) -> None:
        """Make the parts that belong to this object and this process alone."""
        failure_rate, limits, progress, tmproots = self._choices
        self._executor = Executor(self._connection, failure_rate, limits, progress)
        self._tempdir = TemporaryDirectory(*tmproots)
        self._prefetches = weakref.WeakSet()

    def __getstate__(self) -> dict[str, Any]:
        if not isinstance(self._client, S3Client):
            raise MetaflowS3Exception(
                f"{self!r} has an external_client, which belongs to this process and can't be pickled. {NOT_PICKLED}"
            )
        if any(secrets_in(list(self._client.parameters))):
            raise MetaflowS3Exception(
                f"{self!r} has credentials in client_params or session_vars, which a pickle would reveal. {NOT_PICKLED}"
            )
        state = {
            name: value for name, value in self.__dict__.items() if name not in ("_executor", "_tempdir", "_prefetches")
        }
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
        location = getattr(self, "_location", None)  # a debugger may ask before there is one
        return f"<S3 {shown(location.root, MOST_URL) if location and location.root else 'with full s3:// URLs'}>"

    def close(self) -> None:
        """
        Delete all temporary files downloaded in this context.

        The client can be used afterwards; what it downloads then is deleted by the next `close`, or when the process
        ends.
        """
        for prefetch in list(self._prefetches):
            prefetch.close()
        if not debug.s3client:  # METAFLOW_DEBUG_S3CLIENT keeps the files, as it does for Metaflow's own class
            self._tempdir.remove()

    @staticmethod
    def stop_workers() -> None:
        """
        Stop the worker processes that wait for this process's next call.

        After a call its workers stay for 10 seconds, so that the next call finds them running. Stop them earlier where
        a program waits for all of its child processes, e.g. with `os.wait()`, or needs their memory. Workers that carry
        out a call in another thread go on. The next call starts new ones.
        """
        worker_pool.shared.close()

    @property
    def transfers(self) -> str:
        """
        Which implementation moves the bytes, and why.

        Returns
        -------
        str
            'wire', this package's own; or 'boto3' with the reason, e.g. 'boto3: a proxy stands between'. Buckets that
            the wire can't serve are left to boto3 one by one; the log `metaflow_fasts3` says so at level DEBUG.
        """
        reason = self._executor.connected().why_boto3(Settings.read().transfers)
        return f"boto3: {reason}" if reason else "wire"

    def _connection(self) -> "Connection":
        return connection_of(self._client)

"""Creates boto3 clients with Metaflow's own `get_aws_client`, once per process and set of parameters.

A company's client provider thus applies, and all `S3` objects of a process fetch credentials once.
"""

import contextlib
import copy
import gc
import hashlib
import logging  # noqa: F401  # first: it holds a lock across forks that the import of boto3 needs; see `_hold`
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

import metaflow.metaflow_config as configuration

if TYPE_CHECKING:  # the first client imports boto3 and the wire; importing metaflow alone must not
    from metaflow_extensions.fasts3.boto.transfer_client import TransferClient

CONNECT_TIMEOUT = 4.0  # seconds, instead of botocore's 60, unless the user has set it
# Besides AWS_*, BOTO* and *_PROXY: certificate bundles, and the home directory with boto3's files.
READ_BY_BOTO3 = frozenset({"REQUESTS_CA_BUNDLE", "HOME", "USERPROFILE"})
FILES = {  # by the variables that name them, with their defaults
    "AWS_CONFIG_FILE": "~/.aws/config",
    "AWS_SHARED_CREDENTIALS_FILE": "~/.aws/credentials",
    "BOTO_CONFIG": "~/.boto",
    "AWS_CA_BUNDLE": "",
    "REQUESTS_CA_BUNDLE": "",
}
KEPT = 16  # clients, each with its connections: bounds the memory of a process that keeps changing its credentials


class ClientParameters(NamedTuple):
    """The user's parameters of a client; see `S3`."""

    role: Optional[str] = None
    session_vars: Optional[dict[str, Any]] = None
    client_params: Optional[dict[str, Any]] = None
    anonymous: bool = False
    requester_pays: bool = False


def metaflows_client(client: Any) -> Any:
    """A client of any kind in the form of `S3Client`."""
    if isinstance(client, S3Client):
        return client
    return SimpleNamespace(client=getattr(client, "client", client), error=S3Client().error, reset_client=lambda: None)


class S3Client:
    """A boto3 client for `S3(external_client=...)`, in the form that Metaflow's S3 datastore uses.

    `parameters` has what it was created with.
    """

    def __init__(
        self,
        s3_role_arn: Optional[str] = None,
        s3_session_vars: Optional[dict[str, Any]] = None,
        s3_client_params: Optional[dict[str, Any]] = None,
        anonymous: bool = False,
        requester_pays: bool = False,
    ) -> None:
        self.parameters = ClientParameters(s3_role_arn, s3_session_vars, s3_client_params, anonymous, requester_pays)
        self._mine: Optional[tuple[int, Any, TransferClient]] = None  # of one process: a forked child creates its own

    @property
    def client(self) -> Any:
        """The boto3 client."""
        return self._known()[1]

    @property
    def error(self) -> Any:
        """The exception class that the client raises for S3's errors."""
        from botocore.exceptions import ClientError

        return ClientError

    @property
    def transfer_client(self) -> "TransferClient":
        """The client, ready for transfers."""
        return self._known()[2]

    def reset_client(self) -> None:
        """Create a new client for the next use, with new credentials."""
        with _lock:
            _clients.pop(_name(self.parameters), None)
            self._mine = None

    def _known(self) -> "tuple[int, Any, TransferClient]":
        mine = self._mine
        if mine is None or mine[0] != os.getpid():
            mine = self._mine = (os.getpid(), *_cached(self.parameters))
        return mine


def transfer_client_of(external_client: Any, requester_pays: bool = False) -> "TransferClient":
    """The transfer client of what the user passed: an `S3Client`, a boto3 client, or an object with a `client`.

    `requester_pays` is for the latter two; an `S3Client` has its own.
    """
    if isinstance(external_client, S3Client):
        return external_client.transfer_client
    client = getattr(external_client, "client", external_client)
    name = ("external", id(client), os.getpid(), requester_pays)
    with _lock:
        known = _clients.get(name)
        if known is None or known[0] is not client:
            known = _keep(name, client, ours=False, requester_pays=requester_pays)
        return known[1]


_lock = threading.RLock()
_clients: "dict[tuple[Any, ...], tuple[Any, TransferClient]]" = {}


FORKS_WAIT = 10.0  # seconds; a client provider may itself wait for the thread that forks
_forking: set[int] = set()  # threads that hold the lock for a fork


def _hold() -> None:
    """Before a fork, wait until no client is being created: the child would hang on a half-imported module.

    Python calls these functions in the reverse order of their registration. Modules that were imported earlier, such as
    `logging`, take their locks after this function has waited.
    """
    if _lock.acquire(timeout=FORKS_WAIT):
        _forking.add(threading.get_ident())


def _release() -> None:
    """Release the lock after a fork, in the parent."""
    if threading.get_ident() in _forking:
        _forking.discard(threading.get_ident())
        _lock.release()


def _new_lock() -> None:
    global _lock  # noqa: PLW0603  # a thread that does not exist in the forked child may hold it
    _lock = threading.RLock()
    _forking.clear()


os.register_at_fork(before=_hold, after_in_parent=_release, after_in_child=_new_lock)


def _cached(parameters: ClientParameters) -> "tuple[Any, TransferClient]":
    name = _name(parameters)
    with _lock:
        if name not in _clients:
            with _no_garbage_collection():
                from metaflow_extensions.fasts3.boto.credential_errors import profile_in_use

                client = _make(parameters)
                profile = profile_in_use(_session_vars(parameters))
                _keep(name, client, True, profile, parameters.requester_pays)
        return _clients[name]


@contextlib.contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Pause the garbage collector: importing boto3 creates about 100,000 objects, which all remain.

    Repeated scans of these and Metaflow's objects took a third of the time of a process's first call.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _keep(
    name: tuple[Any, ...], client: Any, ours: bool, profile: Optional[str] = None, requester_pays: bool = False
) -> "tuple[Any, TransferClient]":
    """Cache a client and drop the oldest ones."""
    from metaflow_extensions.fasts3.boto.transfer_client import TransferClient

    while len(_clients) >= KEPT:
        del _clients[next(iter(_clients))]
    _clients[name] = (client, TransferClient(client, ours, profile, requester_pays))
    return _clients[name]


def _make(parameters: ClientParameters) -> Any:
    from botocore import UNSIGNED
    from botocore.config import Config
    from metaflow.plugins.aws.aws_client import get_aws_client

    from metaflow_extensions.fasts3.boto.events import tune
    from metaflow_extensions.fasts3.boto.recipe import ONE_TRY, NotPortable, build, recipe_of
    from metaflow_extensions.fasts3.boto.transfer_client import INLINE_CONNECTIONS

    # Copies: client providers modify their arguments.
    client_params = copy.copy(parameters.client_params or configuration.DATATOOLS_CLIENT_PARAMS or {})
    given = client_params.get("config") or {}
    config = given if isinstance(given, Config) else Config(**given)
    ours = Config(
        retries=ONE_TRY,
        connect_timeout=CONNECT_TIMEOUT,
        max_pool_connections=INLINE_CONNECTIONS,
        parameter_validation=False,  # ours are valid; validation takes a tenth of the time of a small request
    )
    config = ours.merge(config)  # the user's settings have priority
    client_params["config"] = config.merge(Config(signature_version=UNSIGNED)) if parameters.anonymous else config
    client = get_aws_client(
        "s3",
        role_arn=parameters.role,
        session_vars=_session_vars(parameters),
        client_params=client_params,
    )
    if parameters.anonymous and client.meta.config.signature_version is not UNSIGNED:
        # The provider ignores this parameter, or returns one client for all calls.
        try:
            return build(recipe_of(client)._replace(anonymous=True), None, INLINE_CONNECTIONS)
        except NotPortable as error:
            raise NotPortable(f"anonymous can't be applied to this client: {error}") from error
    tune(client)
    return client


def _session_vars(parameters: ClientParameters) -> "dict[str, Any]":
    return copy.copy(parameters.session_vars or configuration.DATATOOLS_SESSION_VARS or {})


def _name(parameters: ClientParameters) -> tuple[Any, ...]:
    """The key of a cached client: the process and everything that determines the client, secrets only as a digest."""
    environment = sorted((name, value) for name, value in os.environ.items() if is_read_by_boto3(name))
    defaults = (configuration.DATATOOLS_CLIENT_PARAMS, configuration.DATATOOLS_SESSION_VARS)
    made_from = repr((_plain(parameters), _plain(defaults), environment, _files()))
    return (os.getpid(), hashlib.sha256(made_from.encode("utf-8", "surrogateescape")).hexdigest())


def is_read_by_boto3(variable: str) -> bool:
    """Whether boto3 reads an environment variable when it creates a client."""
    # Python reads any *_proxy variable, in upper or lower case, as the proxy of a scheme.
    return variable.startswith(("AWS_", "BOTO")) or variable in READ_BY_BOTO3 or variable.lower().endswith("_proxy")


def _plain(value: Any) -> Any:
    """A value with a complete repr; the repr of a botocore Config shows only its address."""
    if isinstance(value, dict):
        return sorted((str(name), _plain(inner)) for name, inner in value.items())
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    options = getattr(value, "OPTION_DEFAULTS", None)
    return value if options is None else _plain({name: getattr(value, name) for name in options})


def _files() -> tuple[tuple[str, int], ...]:
    """The files that boto3 reads, with their modification times: after a new login, a new client is created."""
    found = []
    for variable, default in FILES.items():
        name = os.environ.get(variable) or default
        if not name:
            continue
        path = Path(os.path.expanduser(name))  # unlike Path.expanduser, it does not fail without a home directory
        try:
            found.append((str(path), path.stat().st_mtime_ns))
        except OSError:
            continue
    return tuple(found)

"""The limits of this machine: processors, open files, and the directory for downloads."""

import math
import os
import resource
import shutil
from collections.abc import Iterator
from typing import Optional

from metaflow_extensions.fasts3.api.errors import MetaflowS3Exception, message_of
from metaflow_extensions.fasts3.api.executor import MOST_WORKERS
from metaflow_extensions.fasts3.api.formatting import readable
from metaflow_extensions.fasts3.api.temporary_directory import TemporaryDirectory, roots
from metaflow_extensions.fasts3.boto.settings import Settings
from metaflow_extensions.fasts3.doctor.findings import Fact, Finding, ok, problem, warning
from metaflow_extensions.fasts3.doctor.settings import COMMAND_LINE, metaflow_setting
from metaflow_extensions.fasts3.machine.processors import processors

LITTLE_SPACE = 2**30  # bytes; a few large objects
OWN_DESCRIPTORS = 64  # for standard streams, modules and pipes to workers


def open_files() -> float:
    """How many files and sockets a process may open; infinity without a limit."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return math.inf if soft == resource.RLIM_INFINITY else soft


def free_space(path: str) -> Optional[int]:
    """Free bytes below a directory; None if that is not known."""
    try:
        return shutil.disk_usage(path).free
    except OSError:
        return None


def facts(tmproot: str, max_connections: Optional[int] = None) -> Iterator[Fact]:
    """The facts about this machine; `max_connections` is that of the command line, if given."""
    limit, free = open_files(), free_space(tmproot)
    yield Fact("machine", "processors", processors())
    origin = COMMAND_LINE if max_connections else metaflow_setting("S3_WORKER_COUNT").origin
    yield Fact("machine", "connections_allowed", max_connections or Settings.read().connections, origin)
    yield Fact("machine", "open_files_allowed", None if math.isinf(limit) else int(limit), "ulimit -n")
    yield Fact("machine", "tmproot", os.path.abspath(tmproot), metaflow_setting("TEMPDIR").origin)
    yield Fact("machine", "tmproot_free", free, unit="bytes")


def check_descriptors() -> Finding:
    """Whether a worker may open enough files for its share of the connections."""
    return descriptors_finding(Settings.read().connections, processors(), open_files())


def descriptors_finding(connections: int, cores: int, limit: float) -> Finding:
    """The finding about open files: each connection of a worker may need a socket and a file."""
    share = math.ceil(connections / min(cores, MOST_WORKERS, connections))
    needed = 2 * share + OWN_DESCRIPTORS
    if limit >= needed:
        return ok(f"A process may open {'any number of' if math.isinf(limit) else int(limit)} files and sockets.")
    return warning(
        f"A process may open {int(limit)} files and sockets; {connections} connections may take {needed} in each "
        "worker, so the client sends fewer requests in parallel.",
        f"Raise the limit: ulimit -n {max(needed, 1024)}.",
    )


def check_tmproot(tmproot: str) -> Finding:
    """Whether `S3` can store downloads in its temporary directory."""
    directory = TemporaryDirectory(*roots(tmproot))
    try:
        tmproot = os.path.dirname(directory.path())
    except MetaflowS3Exception as error:
        return problem(message_of(error), error.remedy)
    finally:
        directory.remove()
    free = free_space(tmproot)
    if free is not None and free < LITTLE_SPACE:
        return warning(
            f"Downloads are stored in {tmproot}, where only {readable(free)} are free.",
            "Free some space, or set `tmproot`, or METAFLOW_TEMPDIR, to a directory on a larger disk.",
        )
    return ok(f"Downloads can be stored in {tmproot}.")

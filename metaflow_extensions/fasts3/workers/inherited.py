"""What a worker inherits from its parent at its start, and keeps when the parent changes later.

A worker started before a change may have more permissions than its parent has now, or see other files. It is replaced
at its next lease.
"""

import contextlib
import os
import re
import resource
from collections.abc import Iterator
from typing import Any

from metaflow_extensions.fasts3.workers.interpreter import SECRETIVE

_PROC = "/proc/thread-self"  # on Linux, all of these belong to threads
_NAMESPACES = ("mnt", "net", "user")
# User and group ids, groups, capabilities and restrictions; see proc(5).
_STATUS = re.compile(rb"^(?:Umask|Uid|Gid|Groups|Cap\w+|NoNewPrivs|Seccomp\w*):.*$", re.MULTILINE)
_LIMITS = [getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")]
# Environment variables that affect connections and certificates, in Python, OpenSSL and botocore.
_VARIABLES = re.compile(r"AWS_|SSL_CERT_|REQUESTS_CA_BUNDLE\Z|(HTTPS?|ALL|NO)_PROXY\Z", re.IGNORECASE)


def inherited() -> "tuple[Any, ...]":
    """Return what a worker started now by this thread would inherit, for comparison."""
    return (
        (os.getuid(), os.geteuid(), os.getgid(), os.getegid(), sorted(os.getgroups())),
        tuple(_limits()),
        tuple(_root_and_namespaces()),
        _STATUS.findall(_read(f"{_PROC}/status")),
        _read(f"{_PROC}/attr/current"),  # SELinux's context, AppArmor's profile
        {name: os.environ[name] for name in os.environ if _VARIABLES.match(name) and not SECRETIVE.search(name)},
    )


def _limits() -> "Iterator[Any]":
    for limit in _LIMITS:
        with contextlib.suppress(OSError, ValueError):  # some kernels lack some of them
            yield resource.getrlimit(limit)


def _root_and_namespaces() -> "Iterator[tuple[int, int]]":
    for path in ("/", *(f"{_PROC}/ns/{name}" for name in _NAMESPACES)):
        with contextlib.suppress(OSError):
            status = os.stat(path)
            yield status.st_dev, status.st_ino


def _read(path: str) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(descriptor, 16384)
    except OSError:
        return b""
    finally:
        os.close(descriptor)

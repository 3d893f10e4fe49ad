"""Takes away what Linux has and macOS does not, at the start of each interpreter with this directory in PYTHONPATH.

Not a test; `test_environments` runs programs with it. Without /proc, this is as close to macOS as Linux comes.
"""

import fcntl
import os
import resource
import select
import socket
import sys

MISSING = {
    os: (
        *("sched_getaffinity", "sched_setaffinity", "memfd_create", "posix_fallocate", "posix_fadvise", "fallocate"),
        *("eventfd", "pidfd_open", "pipe2", "copy_file_range", "splice", "waitid", "fdatasync", "getrandom", "unshare"),
        *("O_TMPFILE", "O_PATH", "O_DIRECT", "O_NOATIME", "getxattr", "setxattr", "listxattr", "removexattr"),
    ),
    fcntl: ("F_SETPIPE_SZ", "F_GETPIPE_SZ", "F_ADD_SEALS", "F_GET_SEALS", "F_NOTIFY"),
    resource: ("prlimit", "RLIMIT_OFILE", "RLIMIT_MSGQUEUE", "RLIMIT_NICE", "RLIMIT_RTPRIO", "RLIMIT_SIGPENDING"),
    select: ("epoll",),
    socket: ("SOCK_CLOEXEC", "SOCK_NONBLOCK", "SO_BINDTODEVICE", "TCP_USER_TIMEOUT", "TCP_QUICKACK", "TCP_KEEPIDLE"),
}

for module, names in MISSING.items():
    for name in names:
        vars(module).pop(name, None)
sys.platform = "darwin"

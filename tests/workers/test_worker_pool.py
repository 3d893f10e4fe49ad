"""Tests of the pool through forks, changes of a process's permissions, and programs that can't have workers.

In separate programs, because a fork affects all threads and a change of identity can't be undone.
"""

import os
import subprocess
import sys
import textwrap

import pytest

PRELUDE = """
import os, resource, select, signal, subprocess, sys, threading
from metaflow_extensions.fasts3.workers import worker_process
from metaflow_extensions.fasts3.workers.worker_pool import shared
"""


def run(program, *arguments, environment=None, flags=(), cwd=None):
    """Run a program that prints its observations."""
    command = [sys.executable, *flags, "-c", PRELUDE + textwrap.dedent(program), *arguments]
    done = subprocess.run(
        command,
        env=environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
        start_new_session=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


FORKED_MEANWHILE = """
begun, forked, leased = threading.Event(), threading.Event(), []
popen = subprocess.Popen
def slow(*args, **kwargs):
    begun.set()
    forked.wait(0.5)  # in vain, as the fork waits for the worker
    return popen(*args, **kwargs)
worker_process.subprocess.Popen = slow
thread = threading.Thread(target=lambda: leased.append(shared.lease()))
thread.start()
begun.wait()
reader, writer = os.pipe()
child = os.fork()
if child == 0:
    os.close(writer)
    os.read(reader, 1)  # a child that lives on
    os._exit(0)
forked.set()
thread.join()
(worker,) = leased
os.kill(worker.pid, signal.SIGKILL)
ended = False
while not ended and select.select([worker], [], [], 20)[0]:
    try:
        for _ in worker.outcomes():
            pass
        ended = os.read(worker.fileno(), 1) == b""
    except (worker_process.WorkerGone, BlockingIOError) as end:
        ended = isinstance(end, worker_process.WorkerGone)
print(ended)
shared.discard(worker)
os.close(writer)
os.waitpid(child, 0)
"""


def test_a_fork_while_a_worker_is_started_leaves_its_pipe_to_this_process():
    assert run(FORKED_MEANWHILE) == ["True"]


CHANGES = {
    "umask": "os.umask(0o137)",
    "a limit": "resource.setrlimit(resource.RLIMIT_NOFILE, (200, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))",
    "an authority": "os.environ['SSL_CERT_FILE'] = '/etc/other.pem'",
    "a proxy": "os.environ['https_proxy'] = 'http://127.0.0.1:9'",
    "user": "os.setuid(65534)",
    "effective user": "os.seteuid(65534)",
    "effective group": "os.setegid(65534)",
    "groups": "os.setgroups([65534, 65533])",
    "root directory": "os.chroot(os.path.expanduser('~')); os.chdir('/')",
    "mounts": "__import__('ctypes').CDLL(None).unshare(0x20000)",  # CLONE_NEWNS
    "capabilities": "__import__('ctypes').CDLL(None).prctl(24, 21, 0, 0, 0)",  # PR_CAPBSET_DROP, CAP_SYS_ADMIN
}
FOR_ROOT = {"user", "effective user", "effective group", "groups", "root directory", "mounts", "capabilities"}
CHANGED = """
first = shared.lease()
shared.give_back(first)
assert shared.lease() is first
shared.give_back(first)
if sys.argv[1]:
    exec(sys.argv[1])
try:
    second = shared.lease()
except OSError:  # another user may not read this Python
    second = None
print(second is first)
if second:
    shared.discard(second)
"""


@pytest.mark.parametrize("what", list(CHANGES))
def test_a_worker_from_before_a_change_is_not_leased(what):
    if what in FOR_ROOT and (os.geteuid() != 0 or not sys.platform.startswith("linux")):
        pytest.skip("for root on Linux")
    assert run(CHANGED, CHANGES[what]) == ["False"]


ENDS = """
for worker in [shared.lease(), shared.lease()]:
    shared.give_back(worker)
if sys.argv[1] == "stopped":
    os.kill(worker.pid, signal.SIGSTOP)
shared.close()
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    print("no children")
print(threading.active_count(), len(shared._idle))
"""


@pytest.mark.parametrize("state", ["idle", "stopped"])
def test_a_pool_that_was_closed_has_no_process_left(state):
    assert run(ENDS, state) == ["no", "children", "1", "0"]


NO_WORKERS = {
    "frozen": "sys.frozen = True",
    "no executable": "sys.executable = None",
    "empty": "sys.executable = ''",
    "another program": "sys.executable = '/usr/sbin/uwsgi'",
    "no file": "worker_process.why_no_workers.__globals__['SCRIPT'] = worker_process.SCRIPT / 'no file'",
}


@pytest.mark.parametrize("why", list(NO_WORKERS))
def test_an_application_that_is_no_interpreter_starts_no_copies_of_itself(why):
    program = """
    exec(sys.argv[1])
    worker_process.subprocess.Popen = lambda *args, **kwargs: print("started")
    shared.start(2)
    try:
        shared.lease()
    except OSError as error:
        print("refused", error.errno)
    """
    assert run(program, NO_WORKERS[why])[0] == "refused"

"""S3 in all kinds of processes, however they start and end."""

import os
import select
import signal

import pytest
from processes import programs

from metaflow_extensions.fasts3.workers.worker import IDLE_LIMIT

WITHIN = 0.8 * IDLE_LIMIT  # seconds; not for want of work


# Only a forked child has anything of what its parent did before.
@pytest.mark.parametrize(
    ("method", "used_before"),
    [
        pytest.param("fork", "fresh", marks=pytest.mark.release),
        ("fork", "used before"),
        ("spawn", "used before"),
        pytest.param("forkserver", "used before", marks=pytest.mark.release),
    ],
)
def test_multiprocessing(environment, tmp_path, method, used_before):
    assert programs.run(environment, tmp_path, "started_by", method, used_before) == (["True", "True"], "")
    assert [path.name for path in tmp_path.iterdir()] == ["tmp"]


def test_parallel_map(environment, tmp_path):
    assert programs.run(environment, tmp_path, "by_parallel_map") == (["True"], "")
    assert [path.name for path in tmp_path.iterdir()] == ["tmp"]


def test_a_client_that_was_not_closed(environment, tmp_path):
    assert programs.run(environment, tmp_path, "never_closed") == (["True True", "1"], "")
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize("kind", ["daemon", "waited for"])
def test_the_end_of_the_main_thread_in_the_middle_of_a_call(environment, tmp_path, kind):
    printed, complained = programs.run(environment, tmp_path, "ended_in_a_call", kind)
    assert printed == ["True"]
    assert complained == ""


def test_a_call_from_an_exit_handler(environment, tmp_path):
    assert programs.run(environment, tmp_path, "used_at_exit") == (["words 100"], "")
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    "end",
    [
        signal.SIGKILL,
        signal.SIGTERM,
        signal.SIGINT,
        pytest.param(signal.SIGHUP, marks=pytest.mark.release),  # ends a process as SIGTERM does
    ],
    ids=str,
)
def test_workers_go_with_their_parent_and_the_next_one_sweeps(environment, tmp_path, end):
    with programs.start(environment, tmp_path, "held") as parent:
        try:
            workers = [int(pid) for pid in parent.stdout.readline().split()]
            gone = [os.pidfd_open(pid) for pid in workers]
            parent.send_signal(end)
            parent.communicate()
        finally:
            parent.kill()
    for descriptor in gone:
        assert select.select([descriptor], [], [], WITHIN)[0], "a worker outlived its parent"
        os.close(descriptor)
    assert workers
    left = os.listdir(tmp_path / "tmp")
    assert len(left) == (0 if end is signal.SIGINT else 1)  # Ctrl-C is an exception, and exit handlers run
    programs.run(environment, tmp_path, "never_closed")
    assert os.listdir(tmp_path / "tmp") == []

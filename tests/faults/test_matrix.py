"""The fault matrix: every operation, every fault, both implementations of the transfers.

Each cell has the right bytes, or the right exception with operation and URL, and leaves nothing incomplete behind. A
cell that waits for the default timeouts, which are minutes, exceeds pytest's.

The transfers decide what a fault means, and the plan of a call decides what follows. So one row for each way to send
and to read meets every fault that takes a path of its own, and every row meets one fault of each kind. The other cells
repeat these; `make test-all` runs them.
"""

import threading
from typing import NamedTuple, Optional

import pytest
from faults.cases import CASES
from metaflow.datatools.s3 import MetaflowS3AccessDenied, MetaflowS3Exception
from servers import faults
from servers.faulty import Fault
from servers.transient import DOCUMENTS, GETS, HEADS, TRANSIENT

from metaflow_extensions.fasts3.wire.operations import OPERATIONS

OF_FILES = {"fasts3-file", "fasts3-job"}
# Rows that meet every fault: one for each way to send a request and to read its response.
EVERY_FAULT = {
    "get",  # a body that becomes a file
    "get_large_first_piece",  # a body of which the rest becomes other requests
    "list_paths",  # a document
    "info",  # a head only
    "delete_many",  # a document is sent as well
    "put",  # a body is sent
    "put_large_part",  # a piece of a file is sent
    "put_large_complete",  # a success that may be an error, after which the upload may be gone
    "copy_if_absent",  # a success that may be an error, and a condition
}
# Faults that every row is tested with, one of each kind: half of a response, a wrong one, throttling, a refusal, an
# error that looks like success, and a response that is lost after the work was done. A lost request is retried like
# throttling, and `test_a_permanent_fault_is_an_error_with_all_details` has it with every row.
KINDS = {
    "reset in the body",
    "corrupt",
    "another range",
    "503",
    "403",
    "200, an error inside",
    "done, then reset",
}
# Each repeats others: "500" and "503" with another status, whose meaning `tests/wire/test_s3_errors.py` has, or after
# "done, then reset".
REPEATS = {"502", "429", "done, then 500", "done, then 503"}


class Column(NamedTuple):
    """A fault that occurs once."""

    fault: Fault
    only: "Optional[frozenset[str]]" = None  # operations that can meet it; None: all
    never: "frozenset[str]" = frozenset()
    raises: "Optional[type[Exception]]" = None  # None: the user does not notice
    raises_for: "Optional[frozenset[str]]" = None  # rows; None: all


COLUMNS = {
    **{name: Column(*transient) for name, transient in TRANSIENT.items()},
    "announces too little": Column(faults.announces_too_little, GETS | DOCUMENTS),
    "corrupt": Column(faults.corrupt, GETS),
    # A server that returns another range than requested does not support ranges; a retry would not help.
    "another range": Column(
        faults.another_range,
        GETS,
        raises=MetaflowS3Exception,
        raises_for=frozenset(
            {"get_a_range", "get_large_second_piece", "get_large_in_memory", "open_to_read", "open_to_read_on"}
        ),
    ),
    # Once: the next try is signed for the server's time. A HEAD has no body that could hold the code.
    "403 RequestTimeTooSkewed": Column(faults.clock_skew, never=HEADS),
    # Who may store and not look is no error: If-None-Match decides alone. Nor is who may not read tags: S3 copies them.
    "403": Column(
        faults.error(403, "AccessDenied"),
        raises=MetaflowS3AccessDenied,
        raises_for=frozenset(row.name for row in CASES) - {"put_if_absent_head", "copy_tags"},
    ),
}
# A single range has no checksum: what is wrong in it and does not show is TLS's to see. See docs/security.md.
UNSEEN = {("get_a_range", "corrupt"), ("open_to_read", "corrupt"), ("open_to_read_on", "corrupt")}


# The upload was opened, and its number lost on the way: nobody can know which of those at the server it is. Lifecycle
# rules are there for these; so it is with every client.
LOSES_THE_ID = {
    name
    for name, column in COLUMNS.items()
    if name.startswith(("done", "reset in", "close in", "stall in", "announces"))
}


def cells():
    for name, column in COLUMNS.items():
        for row in CASES:
            matches = row.operation not in column.never and (column.only is None or row.operation in column.only)
            if matches and (row.name, name) not in UNSEEN:
                yield pytest.param(row, name, id=f"{row.name}-{name}", marks=marks(row, name))


def marks(row, name, kinds=KINDS):
    """Mark the cells that repeat others."""
    own_path = row.name in EVERY_FAULT and name not in REPEATS
    return () if own_path or name in kinds else (pytest.mark.release,)


# Other tests apply faults to this operation, which the client sends only after a failure.
NO_ROW = {"HeadBucket"}


def test_every_other_operation_has_a_row():
    assert {row.operation for row in CASES} == set(OPERATIONS) - NO_ROW
    assert EVERY_FAULT.issubset(row.name for row in CASES)
    assert (KINDS | REPEATS).issubset(COLUMNS)


@pytest.mark.parametrize(("row", "name"), list(cells()))
def test_a_fault_that_is_met_once(world, row, name):
    _meet(world, row, COLUMNS[name], open_uploads=row.operation == "CreateMultipartUpload" and name in LOSES_THE_ID)


@pytest.mark.parametrize(
    "row",
    [pytest.param(row, id=row.name, marks=marks(row, "ExpiredToken")) for row in CASES if row.operation not in HEADS],
)
def test_expired_credentials_are_renewed_once(world_of_renewable_credentials, row):
    world, provider = world_of_renewable_credentials
    _meet(world, row, Column(faults.error(400, "ExpiredToken")))
    assert len(provider.issued) == 2


def _meet(world, row, column, open_uploads=0):
    play = row.play(world)
    next(play)
    threads = set(threading.enumerate())
    world.proxy.inject(row.operation, column.fault, after=row.after)

    if column.raises and (column.raises_for is None or row.name in column.raises_for):
        with pytest.raises(column.raises) as raised:
            next(play)
        assert row.operation in str(raised.value)
        assert f"s3://{world.stored.bucket}/{world.stored.prefix}" in str(raised.value)
    else:
        with pytest.raises(StopIteration):
            next(play)

    assert world.proxy.injected == 1
    world.s3.close()
    assert world.left_behind() == []
    assert len(world.stored.open_uploads()) <= open_uploads
    left = {thread for thread in threading.enumerate() if thread.name.startswith("fasts3")} - threads
    for thread in [thread for thread in left if thread.name in OF_FILES]:  # closing a file does not wait for them
        thread.join()
        left.remove(thread)
    assert [thread.name for thread in left] in ([], ["fasts3-call"])  # one stays for the next call


ALWAYS = ("reset before the head", "stall", "garbage", "a huge head", "500", "503")


def cells_of_faults_that_stay():
    for name in ALWAYS:
        for row in CASES:
            yield pytest.param(row, name, id=f"{row.name}-{name}", marks=marks(row, name, kinds=ALWAYS[:1]))


@pytest.mark.parametrize(("row", "name"), list(cells_of_faults_that_stay()))
def test_a_permanent_fault_is_an_error_with_all_details(world, row, name, monkeypatch):
    monkeypatch.setattr("metaflow.metaflow_config.S3_TRANSIENT_RETRY_COUNT", 1)
    monkeypatch.setattr("metaflow.metaflow_config.S3_RETRY_COUNT", 1)
    play = row.play(world)
    next(play)
    world.proxy.inject(row.operation, COLUMNS[name].fault, times=None, after=row.after)

    with pytest.raises(MetaflowS3Exception) as raised:
        next(play)

    message = str(raised.value)
    assert row.operation in message
    assert f"s3://{world.stored.bucket}/{world.stored.prefix}" in message
    assert "2 tries in " in message
    assert world.proxy.injected >= 2
    world.s3.close()
    assert world.left_behind() == []
    assert row.operation == "CreateMultipartUpload" or world.stored.open_uploads() == []

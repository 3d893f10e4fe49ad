"""The process of one turn: one library does the work of one row once, and reports its times.

``python -m benchmarks.files.turn ORDER``. A small object was read with the library before, so that all begin with their
modules imported and a connection open.
"""

import importlib
import json
import os
import sys
import time
from pathlib import Path
from typing import NamedTuple

from .. import processor_time
from ..calls import WrongResult
from ..content import BLOCK, blocks, stamp_of
from ..servers.place import Place
from .libraries import LIBRARIES, Library

COLUMNS = ("column03", "column11")
NAME = "00000"  # of the object that is read or written sequentially; its content follows from it


class Order(NamedTuple):
    """The work of a turn."""

    library: str
    place: Place
    verb: str  # of `VERBS`
    key: str
    size: int  # bytes of the object; rows of the table
    small: str  # key of a small object


def main() -> None:
    """Run the order in the first argument, and print the result on standard output."""
    fields = json.loads(sys.argv[1])
    order = Order(**{**fields, "place": Place(*fields["place"])})
    # Other output of this process must not mix with the result.
    results = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    library = LIBRARIES[order.library](order.place)
    if order.verb == "columns":
        importlib.import_module("pyarrow.parquet")
    with library.read(order.small) as file:
        file.read()
    spent, started = processor_time.of_process_tree(), time.perf_counter()
    VERBS[order.verb](library, order)
    seconds, cpu_seconds = time.perf_counter() - started, processor_time.of_process_tree() - spent
    # Not ru_maxrss, which begins with that of the process that forked.
    peak = int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) * 1024
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds, "peak": peak}), file=results, flush=True)


def _columns(library: Library, order: Order) -> None:
    import pyarrow.parquet

    with library.read_columns(order.key) as file:
        table = pyarrow.parquet.read_table(file, columns=list(COLUMNS))
    if (table.num_rows, table.column_names) != (order.size, list(COLUMNS)):
        raise WrongResult(f"{table.num_rows} rows of {table.column_names}")


def _read(library: Library, order: Order) -> None:
    """Read blocks, and compare the stamp of each: comparing all bytes would take longer than reading them."""
    with library.read(order.key) as file:
        for start in range(0, order.size, BLOCK):
            missing = min(BLOCK, order.size - start)
            stamp = stamp_of(NAME, start)
            while missing:  # a stream may bring less than it was asked for
                data = bytes(file.read(missing))
                if not data or not data.startswith(stamp):
                    raise WrongResult(f"wrong bytes at {start}")
                missing -= len(data)
                stamp = b""
        if file.read(1):
            raise WrongResult("more bytes than there are")


def _write(library: Library, order: Order) -> None:
    with library.write(order.key) as file:
        for block in blocks(NAME, order.size):
            file.write(block)


VERBS = {"columns": _columns, "read": _read, "write": _write}

if __name__ == "__main__":
    main()

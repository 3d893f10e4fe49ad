"""Run the blocks of one page in order in the current directory. `python -m docs.run_page PAGE`.

In a separate process, because Metaflow reads its settings when it is imported, and flows are programs.
"""

import contextlib
import doctest
import io
import subprocess
import sys
from pathlib import Path
from typing import Any, Optional

from docs.pages import Block, blocks_of


class NotPrinted(Exception):
    """A page shows output that its code does not print."""


def follow(page: Path) -> None:
    """Run all code of a page; a failure ends the run, with the lines of the page in the traceback."""
    names: dict[str, Any] = {"__name__": "__main__"}
    printed: Optional[str] = None  # by the code before; None where that was left out
    for block in blocks_of(page):
        if block.is_code and block.left_out:
            printed = None
        elif block.is_code:
            print(f"--- {block.place}", flush=True)
            printed = run_python(block, names) if block.language == "python" else run_bash(block)
        elif block.title and not block.left_out:
            Path(block.title).write_text(block.code, encoding="utf-8")
        elif block.mark == "printed" and printed is not None:
            compare(block, printed)


def run_python(block: Block, names: "dict[str, Any]") -> str:
    """Run a block with the names of the blocks before it; return its output."""
    out = io.StringIO()
    code = compile("\n" * block.line + block.code, str(block.page), "exec")
    try:
        with contextlib.redirect_stdout(out):
            exec(code, names)
    finally:
        print(out.getvalue(), flush=True)
    return out.getvalue()


def run_bash(block: Block) -> str:
    """Run a block; return its output."""
    command = ["bash", "-eu", "-o", "pipefail", "-c", block.code]
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,  # Metaflow prints the output of tasks there
        text=True,
        check=False,
    )
    print(done.stdout, flush=True)
    done.check_returncode()
    return done.stdout


def compare(block: Block, printed: str) -> None:
    """Check that a page shows the output of its code."""
    checker, options = doctest.OutputChecker(), doctest.ELLIPSIS
    if not checker.check_output(block.code, printed, options):
        expected = doctest.Example("", block.code)
        raise NotPrinted(f"{block.place}\n{checker.output_difference(expected, printed, options)}")


if __name__ == "__main__":
    follow(Path(sys.argv[1]))

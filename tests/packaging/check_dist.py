"""Checks the distribution that `make dist` has built as a user would: an empty environment, and pages followed exactly.

`make dist` names this file to pytest; `dist/` must exist.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from docs.pages import REPOSITORY, Block, blocks_of
from docs.run_page import compare

pytestmark = pytest.mark.timeout(1200)  # it installs Metaflow, boto3 and a server from PyPI

DIST = REPOSITORY / "dist"
IN_THE_SECOND = ("cd ~/try-fasts3", ". venv/bin/activate")  # before the export lines, in the words of the pages
RUNS = "Paste the export lines"  # what the server prints last
SECTIONS = {"README.md": ("## Getting started", "## Documentation"), "docs/start.md": ("# Getting started", "")}


def section(page: str) -> "list[Block]":
    """Give the blocks of the part of a page that a user follows."""
    first, after = SECTIONS[page]
    lines = (REPOSITORY / page).read_text(encoding="utf-8").splitlines()
    begin, end = lines.index(first), lines.index(after) if after else len(lines)
    return [block for block in blocks_of(REPOSITORY / page) if begin < block.line < end]


class User:
    """A user with an empty home directory, whose pip finds the wheel beside the packages of PyPI."""

    def __init__(self, home: Path) -> None:
        own = {name: value for name, value in os.environ.items() if not re.match(r"METAFLOW|AWS|FASTS3|PYTHON", name)}
        self.environment = {
            **own,
            "HOME": str(home),
            "PATH": os.pathsep.join([os.path.join(sys.base_prefix, "bin"), os.defpath]),
            "PIP_FIND_LINKS": " ".join(filter(None, [own.get("PIP_FIND_LINKS"), DIST.as_uri()])),
            # pip's configuration and cache are the machine's.
            "XDG_CONFIG_HOME": os.environ.get("XDG_CONFIG_HOME", str(Path.home() / ".config")),
            "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache")),
        }
        self.home = home

    def runs(self, script: str, stderr: int = subprocess.STDOUT) -> str:
        """Run a bash script, which must succeed, and give its output."""
        command = ["bash", "-e", "-o", "pipefail", "-c", script]
        done = subprocess.run(
            command,
            env=self.environment,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}"
        return done.stdout

    @contextlib.contextmanager
    def serves(self, script: str) -> "Iterator[list[str]]":
        """Run a script that ends with the server, and give the export lines that it prints; stop it at the end."""
        terminal = subprocess.Popen(
            ["bash", "-e", "-c", script],
            env=self.environment,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            printed = []
            for line in terminal.stdout or ():
                printed.append(line)
                if RUNS in line:
                    break
            assert RUNS in "".join(printed), "".join(printed)
            yield [line for line in printed if line.startswith("export ")]
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(terminal.pid, signal.SIGINT)
            terminal.communicate()


def follow(user: User, blocks: "list[Block]", exports: "list[str]") -> None:
    """Do in the second terminal what the blocks say, and compare what they print."""
    terminal = "\n".join([*IN_THE_SECOND, "".join(exports)])
    printed, program, before = "", "", ""
    for block in blocks:
        if block.title:
            (user.home / "try-fasts3" / block.title).write_text(block.code, encoding="utf-8")
        elif block.mark == "printed":
            compare(block, printed)
        elif block.is_code and not block.left_out and block.language == "bash":
            printed = user.runs(terminal + block.code)
        elif block.is_code and not block.left_out:
            # One Python for all blocks of the page: each time, the program is longer, and so is what it prints.
            program += block.code
            (user.home / "program.py").write_text(program, encoding="utf-8")
            everything = user.runs(f"{terminal}python - <~/program.py", stderr=subprocess.DEVNULL)
            printed, before = everything[len(before) :], everything


@pytest.mark.parametrize("page", SECTIONS)
def test_a_page_can_be_followed_word_by_word(page: str, tmp_path: Path) -> None:
    blocks = section(page)
    first = [block.code for block in blocks if block.left_out and re.search(r"pip install|fasts3 serve", block.code)]
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    assert all(f"`{command}`" in text for command in IN_THE_SECOND)
    user = User(tmp_path)
    with user.serves("".join(first)) as exports:
        follow(user, blocks, exports)


def test_the_demo_runs_from_the_wheel(tmp_path: Path) -> None:
    user = User(tmp_path)
    user.runs("python3 -m venv venv\nvenv/bin/pip install --quiet 'metaflow-fasts3[local]'")
    assert "Read 102 objects back." in user.runs(f"venv/bin/python '{REPOSITORY / 'test_flows' / 'demo.py'}'")


def test_the_wheel_holds_nothing_but_the_package() -> None:
    [wheel] = DIST.glob("*.whl")
    tracked = subprocess.run(
        ["git", "ls-files", "metaflow_extensions"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    with zipfile.ZipFile(wheel) as opened:
        names = {name for name in opened.namelist() if ".dist-info/" not in name}
    assert names == set(tracked.stdout.split())

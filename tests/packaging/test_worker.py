"""`s3op.py` as a program: what it imports at its start, and its message when it is started manually."""

import json
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from metaflow_extensions.fasts3.workers.worker_process import SCRIPT

WORKER_MODULES = Path(__file__).with_name("worker_modules.py")
PACKAGE = SCRIPT.parents[1]


def loaded_with(module):
    """The modules that a worker has loaded with a module of this package: names and files."""
    command = [sys.executable, WORKER_MODULES, SCRIPT, module]
    done = subprocess.run(command, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def modules():
    """The modules that a worker has loaded before its first job."""
    return loaded_with("workers.worker")


def test_a_worker_starts_with_the_standard_library_and_its_own_copy_of_this_package(modules):
    standard = Path(sysconfig.get_path("stdlib")).resolve()
    installed = Path(sysconfig.get_path("purelib")).resolve()
    strange = {
        name: file
        for name, file in modules.items()
        if file
        and not Path(file).resolve().is_relative_to(PACKAGE)
        and (not Path(file).resolve().is_relative_to(standard) or Path(file).resolve().is_relative_to(installed))
    }
    assert strange == {}
    assert "metaflow_extensions.fasts3.workers.worker" in modules


@pytest.mark.parametrize("heavy", ["metaflow", "boto3", "botocore", "urllib3", "asyncio", "email", "multiprocessing"])
def test_a_worker_starts_without(modules, heavy):
    assert not [name for name in modules if name.partition(".")[0] == heavy]


def test_transfers_on_boto3_import_no_metaflow():
    modules = loaded_with("boto.transfers")
    assert "botocore" in modules
    assert not [name for name in modules if name.partition(".")[0] == "metaflow"]


@pytest.mark.parametrize("arguments", [[], ["--help"], ["one", "two"], ["-1"]], ids=" ".join)
def test_started_by_hand_it_explains_what_to_use_instead(arguments, tmp_path):
    done = subprocess.run(
        [sys.executable, SCRIPT, *arguments],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "worker process of metaflow-fasts3" in done.stdout
    assert "from metaflow import S3" in done.stdout
    assert done.stderr == ""

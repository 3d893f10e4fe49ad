"""Tests of the remedies that commands show."""

import re

import pytest

from metaflow_extensions.fasts3.api import errors
from metaflow_extensions.fasts3.api.copy import CHANGE_SOMETHING
from metaflow_extensions.fasts3.api.local_paths import EXPAND, INSTEAD
from metaflow_extensions.fasts3.api.mirrors import ASK_FOR_EMPTY, KEPT
from metaflow_extensions.fasts3.api.upload_sources import NOT_A_FILE
from metaflow_extensions.fasts3.cli.remedies import in_commands

OTHERS = [
    errors.CHECK_PREFIX,
    errors.NO_WRITING,
    errors.MAY_BE_MISSING,
    errors.MAY_CHARGE,
    errors.NOT_PUBLIC,
    ASK_FOR_EMPTY,
    CHANGE_SOMETHING,
    EXPAND,
    INSTEAD,
    KEPT,
    NOT_A_FILE,
]
PYTHON = re.compile(
    r"\w\(|=True|tmproot|client_params|get_many|expanduser|`exclude`|\bPython\b|\bwith put\b|\bnew etag\b"
)


@pytest.mark.parametrize("remedy", [*errors.REMEDIES.values(), *errors.REMEDIES_OF_S3_CODES.values(), *OTHERS])
def test_no_remedy_of_a_command_names_python(remedy):
    shown = in_commands(f"GetObject failed. {remedy}\ns3://bucket/key: NoSuchKey")
    assert not PYTHON.search(shown)
    assert shown.startswith("GetObject failed. ")
    assert shown.endswith(".\ns3://bucket/key: NoSuchKey")

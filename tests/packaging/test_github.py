"""Workflows and templates for GitHub: valid, with few permissions, and with actions that can't change."""

import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest
from docs.pages import REPOSITORY

GITHUB = REPOSITORY / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
SETUP = (REPOSITORY / "setup.py").read_text(encoding="utf-8")

each_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)


def test_the_linter_of_workflows_finds_nothing():
    linter = shutil.which("zizmor", path=sysconfig.get_path("scripts"))
    if not linter:
        pytest.skip("zizmor is not installed; it needs Python 3.10")
    command = [linter, "--offline", "--no-progress", "--quiet", GITHUB]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@each_workflow
def test_actions_are_named_by_commit_with_their_version(path: Path):
    uses = re.findall(r"^ *-? *uses: (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert uses
    assert [one for one in uses if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", one)] == []


@each_workflow
def test_a_workflow_may_only_read_and_a_job_publishes_with_what_it_needs(path: Path):
    text = path.read_text(encoding="utf-8")
    assert "\npermissions:\n  contents: read\n" in text
    assert set(re.findall(r"^ +([\w-]+): write$", text, re.MULTILINE)) <= {"id-token", "pages"}
    assert "secrets." not in text


def test_addresses_are_those_of_setup_py():
    own = re.findall(r'^(?:REPOSITORY|SITE) = "(.+)"', SETUP, re.MULTILINE)
    named = {
        url
        for path in (*GITHUB.rglob("*.yml"), *GITHUB.rglob("*.md"))
        for url in re.findall(r"https://[^\s)]*metaflow-fasts3[^\s)]*", path.read_text(encoding="utf-8"))
        if "pypi.org" not in url
    }
    assert named
    assert [url for url in named if not url.startswith(tuple(own))] == []


def test_a_report_of_a_bug_has_the_output_of_the_doctor():
    assert "`metaflow fasts3 doctor --json`" in (GITHUB / "ISSUE_TEMPLATE" / "bug.yml").read_text(encoding="utf-8")

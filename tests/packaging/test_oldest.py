"""tests/oldest.txt, which `make test-oldest` installs, and setup.py agree on the oldest versions."""

import ast
import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def declared():
    """The requirements of setup.py: names and oldest versions."""
    tree = ast.parse((REPOSITORY / "setup.py").read_text(encoding="utf-8"))
    [required] = [
        ast.literal_eval(keyword.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "install_requires"
    ]
    return dict(requirement.split(">=") for requirement in required)


def tried():
    """The pins of tests/oldest.txt."""
    text = (REPOSITORY / "tests" / "oldest.txt").read_text(encoding="utf-8")
    return dict(re.findall(r"^([\w-]+)==(\S+)$", text, re.MULTILINE))


def test_the_versions_that_are_tried_are_those_that_are_declared():
    pins = tried()
    assert pins.pop("botocore")  # boto3 requires it, not this project
    assert pins == declared()

"""The settings page has every argument of `S3` and every variable of this package."""

import inspect
import re

from docs.pages import REPOSITORY
from metaflow import S3

DOCS = REPOSITORY / "docs"
CONFIGURATION = REPOSITORY / "metaflow_extensions" / "fasts3" / "config" / "mfextinit_fasts3.py"


def first_column(*pages):
    text = "\n".join((DOCS / page).read_text(encoding="utf-8") for page in pages)
    return [name for cell in re.findall(r"^\| (`.+?) \|", text, re.MULTILINE) for name in re.findall(r"`(\w+)`", cell)]


def test_it_has_every_argument_of_the_class():
    assert set(inspect.signature(S3).parameters) <= set(first_column("settings.md"))


def test_it_has_every_variable_of_this_package():
    ours = re.findall(r"^(\w+) = from_conf\(", CONFIGURATION.read_text(encoding="utf-8"), re.MULTILINE)
    assert ours
    assert {f"METAFLOW_{name}" for name in ours} <= set(first_column("settings.md", "retries.md"))

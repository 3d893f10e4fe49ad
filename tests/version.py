"""The version of this project, from its one place."""

import re
from pathlib import Path

_SETUP = (Path(__file__).resolve().parents[1] / "setup.py").read_text(encoding="utf-8")

VERSION = re.findall(r'^VERSION = "(.+)"', _SETUP, re.MULTILINE)[0]

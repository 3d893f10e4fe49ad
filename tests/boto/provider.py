"""A `credential_process` program that records its output."""

import json
import sys
import textwrap
from pathlib import Path
from typing import NamedTuple, Optional

PROGRAM = """
import json, time
issued = open({log!r}, "a")
number = sum(1 for _ in open({log!r})) + 1
expires = time.time() + {lifetime}
document = dict({document}, Expiration=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(expires)))
if {numbered}:
    document["AccessKeyId"] += str(number)
issued.write(json.dumps([document["AccessKeyId"], int(expires)]) + "\\n")
issued.close()
print(json.dumps(document))
"""


class Issued(NamedTuple):
    """One set of credentials."""

    access_key: str
    expires: int  # Unix time


class Provider:
    """The program that `credential_process` names in a separate configuration.

    Parameters
    ----------
    folder : Path
    access_key, secret_key : str
    token : str, optional
    lifetime : float
        Seconds for which each set is valid.
    numbered : bool
        Whether each set has its own access key, for servers that accept any.
    """

    def __init__(
        self,
        folder: Path,
        access_key: str,
        secret_key: str,
        token: Optional[str] = None,
        lifetime: float = 3600.0,
        numbered: bool = False,
    ) -> None:
        self._log = folder / "provider.log"
        program = folder / "provider.py"
        document = {"Version": 1, "AccessKeyId": access_key, "SecretAccessKey": secret_key}
        document.update({"SessionToken": token} if token else {})
        values = {"log": str(self._log), "lifetime": lifetime, "document": document, "numbered": numbered}
        program.write_text(textwrap.dedent(PROGRAM.format(**values)))
        self.config = folder / "config"
        self.config.write_text(f"[default]\nregion = us-east-1\ncredential_process = {sys.executable} {program}\n")

    @property
    def issued(self) -> "list[Issued]":
        """Its responses so far."""
        return [Issued(*json.loads(line)) for line in self._log.read_text().splitlines()] if self._log.exists() else []

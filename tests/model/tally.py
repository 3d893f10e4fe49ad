"""What the state machines have done."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Tally:
    """Numbers that grow while the machines of a process run."""

    calls: "Counter[str]" = field(default_factory=Counter)  # of public methods, by name
    examples: int = 0  # that have ended
    with_faults: int = 0  # steps before which faults were injected
    faults: int = 0  # requests that met one
    warnings: int = 0  # of the client, all of them expected
    read: int = 0  # bytes of the objects that methods returned


class Counted:
    """An `S3` whose calls are counted. Calls that its methods make of one another are not."""

    def __init__(self, s3: Any, tally: Tally) -> None:
        self._s3 = s3
        self._tally = tally

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._s3, name)

        def call(*arguments: Any, **options: Any) -> Any:
            # Hypothesis begins with the simplest example, which repeats one call, and does not count.
            self._tally.calls[name] += self._tally.examples > 0
            result = method(*arguments, **options)
            for one in result if isinstance(result, list) else [result]:
                self._tally.read += one.size if getattr(one, "downloaded", False) else 0
            return result

        return call

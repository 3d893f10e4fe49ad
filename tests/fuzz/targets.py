"""The targets of the fuzzer: functions of bytes, by name.

Each raises only if a guarantee is broken, and returns whether the bytes were accepted. Its tokens are texts that random
bytes rarely contain.
"""

from pathlib import Path
from random import Random
from typing import Callable, NamedTuple, Optional

from fuzz import deletions, error_documents, frames, header_values, http_responses, listings, worker_messages

SEEDS = Path(__file__).with_name("seeds")


class Target(NamedTuple):
    """One thing that is fuzzed."""

    check: Callable[[bytes], bool]
    tokens: "list[bytes]"
    mutated: Optional[Callable[[bytes, Random], bytes]] = None  # where changed bytes would seldom mean anything


TARGETS = {
    module.__name__.rpartition(".")[2]: Target(module.check, module.TOKENS, getattr(module, "mutated", None))
    for module in (http_responses, error_documents, deletions, listings, header_values, frames, worker_messages)
}


def seeds_of(name: str) -> "dict[str, bytes]":
    """The seeds of a target by the names of their files."""
    return {path.name: path.read_bytes() for path in sorted((SEEDS / name).iterdir())}

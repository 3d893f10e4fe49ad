"""Fuzz one target, guided by coverage: ``PYTHONPATH=tests python -m fuzz http_responses [options of libFuzzer]``.

Inputs that reach new code are kept in ``.fuzz/``, and so is each failing input, in a file whose name is printed. To add
useful inputs to the seeds: ``python -m fuzz http_responses -set_cover_merge=1 tests/fuzz/seeds/http_responses
.fuzz/http_responses``. Needs atheris: ``make .venv-fuzz/installed``.
"""

import sys
from pathlib import Path
from random import Random

import atheris

with atheris.instrument_imports(include=["metaflow_extensions.fasts3", "h11", "email"]):
    import email.utils  # noqa: F401  # or it would be imported, and not instrumented, when the first date needs it

    from fuzz.targets import SEEDS, TARGETS

FOUND = Path(".fuzz")
# Seconds and MiB that one input may take, and its bytes: what is larger has tests of its own.
BOUNDS = ["-timeout=10", "-rss_limit_mb=512", "-max_len=4096"]


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"usage: python -m fuzz {{{','.join(TARGETS)}}} [options of libFuzzer]")
    name, options = sys.argv[1], sys.argv[2:]
    found = FOUND / name
    found.mkdir(parents=True, exist_ok=True)
    words = FOUND / f"{name}.dict"
    words.write_text("".join(f'"{_escaped(token)}"\n' for token in TARGETS[name].tokens), encoding="ascii")
    corpora = [] if any(not option.startswith("-") for option in options) else [str(found), str(SEEDS / name)]
    bounds = [*BOUNDS, f"-dict={words}", f"-artifact_prefix={found}-"]
    target = TARGETS[name]

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        if target.mutated and seed % 4:
            data = target.mutated(data, Random(seed))
        return atheris.Mutate(data, max_size) if seed % 4 < 2 else data[:max_size]

    mutator = {"custom_mutator": mutate} if target.mutated else {}
    atheris.Setup([sys.argv[0], *bounds, *options, *corpora], lambda data: target.check(data) and None, **mutator)
    atheris.Fuzz()


def _escaped(token: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in token)


if __name__ == "__main__":
    main()

"""The order of copies: an object that is both a source and a target is copied before it is replaced."""

from collections.abc import Mapping


def rounds(sources: Mapping[str, str]) -> list[list[str]]:
    """Divide copies, given as target and source, into rounds; those of one round can be done in parallel.

    Raises ValueError if objects would become each other; its argument is one of them.
    """
    found: list[list[str]] = []
    waiting = dict(sources)
    while waiting:
        read = {source for target, source in waiting.items() if source != target}
        ready = [target for target in waiting if target not in read]
        if not ready:
            raise ValueError(next(iter(waiting)))
        found.append(ready)
        for target in ready:
            del waiting[target]
    return found

"""Changes to a JSON document that keep it valid JSON: most random changes of bytes would not be parsed."""

import json
from copy import deepcopy
from random import Random
from typing import Any

VALUES = [None, True, False, 0, 1, -1, 2**63, 1.5, "", "a", "sixsix", [], {}, ["a"], {"a": "b"}, {"ETag": 1}, "busy"]


def mutated(document: bytes, random: Random) -> bytes:
    """The document with one to three of its values replaced, removed, doubled or exchanged; as it is if it is none."""
    try:
        return _mutated(json.loads(document), random)
    except (ValueError, RecursionError):
        return document


def _mutated(value: Any, random: Random) -> bytes:
    root = [value]
    for _ in range(random.randint(1, 3)):
        inside, place = random.choice(_places(root))
        change = random.randrange(4)
        if change == 0 or inside is root:
            inside[place] = deepcopy(random.choice(VALUES))
        elif change == 1:
            del inside[place]
        elif change == 2 and isinstance(inside, list):
            inside.insert(place, deepcopy(inside[place]))
        else:
            other, elsewhere = random.choice(_places(root))
            inside[place] = deepcopy(other[elsewhere])
    return json.dumps(root[0], separators=(",", ":")).encode()


def _places(root: list) -> "list[tuple]":
    """All values of a document: what each is in, and where."""
    found, left = [], [root]
    while left:
        inside = left.pop()
        for place in range(len(inside)) if isinstance(inside, list) else inside:
            found.append((inside, place))
            if isinstance(inside[place], (list, dict)):
                left.append(inside[place])
    return found

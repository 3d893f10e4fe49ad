"""Where to split a prefix's keys: strings between two keys, distributed like the keys seen so far. Pure arithmetic.

S3 lists keys in the order of their UTF-8 bytes, which for `str` is the order of code points. Keys below one prefix
usually have a pattern: digits here, a name there. The characters seen at each position map a key to a number in a mixed
base, one base per position, so that the middle of two keys can be computed.
"""

import string
from bisect import bisect_right
from collections.abc import Iterable
from typing import Optional

POSITIONS = 40  # characters after the prefix that count; the rest has little influence
_DIGITS = frozenset(string.digits)
# (characters, how many of them must be seen to expect the others). A page holds neighbors, so "000000" to "000999" say
# little about the first three digits.
_FAMILIES = ((_DIGITS, 1), (frozenset(string.ascii_lowercase), 3), (frozenset(string.ascii_uppercase), 3))
_HEXADECIMAL = (frozenset("0123456789abcdef"), frozenset("0123456789ABCDEF"))


class KeySpace:
    """Maps the keys below one prefix to numbers."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._seen: list[set[str]] = []
        self._alphabets: list[str] = []  # characters expected at each position after the prefix, in order
        self._weights: list[int] = []  # numbers per step at each position

    def learn(self, keys: Iterable[str]) -> None:
        """Learn from keys, all with the prefix."""
        start, changed = len(self._prefix), False
        for key in keys:
            for position, character in enumerate(key[start : start + POSITIONS]):
                if position == len(self._seen):
                    self._seen.append(set())
                if character not in self._seen[position]:
                    self._seen[position].add(character)
                    changed = True
        if changed:
            self._alphabets = ["".join(sorted(_completed(seen))) for seen in self._seen]
            self._weights = [1]
            for alphabet in self._alphabets[:0:-1]:
                self._weights.insert(0, self._weights[0] * (len(alphabet) + 1))

    def number(self, key: str) -> int:
        """Return a key's number."""
        rest = key[len(self._prefix) :]
        total = 0
        for position, (alphabet, weight) in enumerate(zip(self._alphabets, self._weights)):
            if position == len(rest):
                break
            digit = bisect_right(alphabet, rest[position])  # 0: below all characters, like the end of the key
            total += weight * digit
            if not digit or alphabet[digit - 1] != rest[position]:
                return total + (weight - 1 if digit else 0)  # between two: after all keys with the lower one
        return total

    def middle(self, low: str, high: str, most: Optional[int] = None) -> Optional[str]:
        """Return a string in the middle of two keys, or `most` numbers after the lower one; None if there is none."""
        first, last = self.number(low), self.number(high)
        step = (last - first) // 2
        middle = self._text(first + (step if most is None else min(step, most)))
        return middle if low < middle < high else None

    def top(self, low: str) -> Optional[str]:
        """Return a string above all keys of the pattern seen so far; None if `low` is above it."""
        top = self._prefix + "".join(alphabet[-1] for alphabet in self._alphabets)
        return top if low < top else None

    def _text(self, number: int) -> str:
        text = []
        for alphabet, weight in zip(self._alphabets, self._weights):
            digit, number = divmod(number, weight)
            if not digit:
                break
            text.append(alphabet[digit - 1])
        return self._prefix + "".join(text)


def _completed(seen: "set[str]") -> "frozenset[str]":
    """Return the characters to expect where these were seen."""
    if not seen.isdisjoint(_DIGITS) and not seen <= _DIGITS:
        for digits in _HEXADECIMAL:
            if seen <= digits:
                return digits
    return frozenset(seen).union(*(family for family, least in _FAMILIES if len(seen & family) >= least))

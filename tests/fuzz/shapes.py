"""Whether a value matches the annotations of a named tuple: the oracle for values from a pipe."""

from collections.abc import Sequence
from typing import Any, Union, get_args, get_origin, get_type_hints


def fits(value: object, hint: Any) -> bool:
    """Whether a value is of an annotation's type, and all in it; a `bool` is no `int`, an `int` may be a `float`."""
    if hint is Any:
        return True
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Union:
        return any(fits(value, one) for one in arguments)
    if origin is dict:
        keys, values = arguments
        return type(value) is dict and all(fits(k, keys) and fits(v, values) for k, v in value.items())
    if origin in (list, Sequence):  # one that came over a pipe is a list
        return type(value) is list and all(fits(one, arguments[0]) for one in value)
    if type(value) is not hint:
        return hint is float and type(value) is int
    return not hasattr(hint, "_fields") or all(
        fits(getattr(value, name), one) for name, one in get_type_hints(hint).items()
    )

"""Pickles of results and arguments, which are artifacts of flows: they can be read without this package."""

from importlib import import_module
from typing import Any, Optional, SupportsIndex

METAFLOWS = "metaflow.plugins.datatools.s3.s3"
"""The module that this package replaces."""


def reduced(
    one: Any,
    protocol: SupportsIndex,
    own: type,
    arguments: "tuple[Any, ...]",
    state: Optional[dict[str, Any]] = None,
    otherwise: Optional[type] = None,
) -> Any:
    """What `__reduce_ex__` returns for an object of the class `own`; one of a subclass is pickled as usual.

    See `PickledClass` for `otherwise`.
    """
    if type(one) is not own:
        return object.__reduce_ex__(one, protocol)
    return PickledClass(own, otherwise), arguments, state


class PickledClass:
    """A class in a pickle. It is read as the class of this name in Metaflow's module, which may be Metaflow's own.

    Parameters
    ----------
    pickled : type
    otherwise : type, optional
        The class if that module has none of this name.
    """

    def __init__(self, pickled: type, otherwise: Optional[type] = None) -> None:
        self._pickled = pickled
        self._otherwise = otherwise

    def __call__(self, *arguments: Any) -> Any:
        return self._pickled(*arguments)

    def __reduce__(self) -> "tuple[Any, ...]":
        otherwise = () if self._otherwise is None else (self._otherwise,)
        return getattr, (_Module(), self._pickled.__name__, *otherwise)


class _Module:
    """Metaflow's module in a pickle."""

    def __reduce__(self) -> "tuple[Any, ...]":
        return import_module, (METAFLOWS,)

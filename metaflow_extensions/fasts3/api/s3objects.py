"""Class S3Objects: the results of one call."""

from typing import Any, SupportsIndex, TypeVar, Union, overload

from metaflow_extensions.fasts3.api.s3object import S3Object

_Other = TypeVar("_Other")


class S3Objects(list[S3Object]):
    """
    A list of `S3Object`s, as most methods of the `S3` client return it. Notebooks show it as a table.

    It is a list in every respect. Its slices and copies, and the sum of two of them, are `S3Objects` again; what
    `sorted` or a comprehension makes of it is a plain list, of which `S3Objects(...)` makes a table.
    """

    __slots__ = ()  # as large as a list

    @overload
    def __getitem__(self, place: SupportsIndex, /) -> S3Object: ...

    @overload
    def __getitem__(self, place: slice, /) -> "S3Objects": ...

    # Any: overloads are for who reads this file. Metaflow's stubs are made of what is here when it runs.
    def __getitem__(self, place: Union[SupportsIndex, slice], /) -> Any:
        if isinstance(place, slice):
            return S3Objects(super().__getitem__(place))
        return super().__getitem__(place)

    @overload  # type: ignore[override]  # one more than list has
    def __add__(self, others: "S3Objects", /) -> "S3Objects": ...

    @overload
    def __add__(self, others: list[S3Object], /) -> list[S3Object]: ...

    @overload
    def __add__(self, others: list[_Other], /) -> list[Union[S3Object, _Other]]: ...

    def __add__(self, others: list[_Other], /) -> list[Union[S3Object, _Other]]:
        added = super().__add__(others)
        # Of a list of anything, the sum is one, too.
        return S3Objects(added) if isinstance(others, S3Objects) else added  # type: ignore[arg-type,return-value]

    def copy(self) -> "S3Objects":
        return S3Objects(self)

    def _repr_html_(self) -> str:
        """The first of them, as a table for a notebook."""
        from metaflow_extensions.fasts3.api import html_tables  # which a flow does without

        return html_tables.of_list(self)

"""Tests of the order of copies."""

import pytest

from metaflow_extensions.fasts3.plans.copies import rounds


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ({}, []),
        ({"c": "a", "d": "b"}, [["c", "d"]]),
        ({"b": "a", "c": "b", "d": "c"}, [["d"], ["c"], ["b"]]),
        ({"b": "a", "c": "b", "d": "b", "e": "a"}, [["c", "d", "e"], ["b"]]),
        ({"a": "a", "b": "a"}, [["b"], ["a"]]),  # headers that change in place
        ({"a": "a"}, [["a"]]),
    ],
)
def test_an_object_is_copied_before_it_is_replaced(sources, expected):
    assert rounds(sources) == expected


@pytest.mark.parametrize("sources", [{"a": "b", "b": "a"}, {"x": "y", "a": "b", "b": "c", "c": "a"}])
def test_objects_can_t_replace_each_other(sources):
    with pytest.raises(ValueError, match=r"^[abc]$"):
        rounds(sources)

"""Tests of the list that calls return: it behaves as a list."""

import copy
import json
import pickle
import sys

import pytest

from metaflow_extensions.fasts3.api.s3object import S3Object
from metaflow_extensions.fasts3.api.s3objects import S3Objects

KEYS = ["a", "b", "c", "d"]


def an_object(key, size=1):
    return S3Object("s3://b", f"s3://b/{key}", size=size)


@pytest.fixture
def objects():
    return S3Objects(an_object(key) for key in KEYS)


@pytest.fixture
def plain(objects):
    return list(objects)


def keys(objects):
    return [one.key for one in objects]


def test_it_is_a_list_and_equals_one(objects, plain):
    assert isinstance(objects, list)
    assert type(plain) is list
    assert objects == plain
    assert plain == objects
    assert objects != plain[1:]
    assert S3Objects() == []
    assert not S3Objects()


def test_its_text_is_that_of_a_list(objects, plain):
    assert repr(objects) == repr(plain)
    assert str(objects) == str(plain)


def test_it_is_as_large_as_a_list(plain):
    assert sys.getsizeof(S3Objects(plain)) == sys.getsizeof(list(plain))
    with pytest.raises(AttributeError):
        S3Objects().anything = 1


@pytest.mark.parametrize("place", [0, 3, -1, True], ids=repr)
def test_an_item_is_an_object(objects, plain, place):
    assert objects[place] is plain[place]


@pytest.mark.parametrize("place", [4, -5])
def test_beyond_its_ends_is_an_error(objects, place):
    with pytest.raises(IndexError):
        objects[place]


@pytest.mark.parametrize("place", [slice(None), slice(1, 3), slice(None, None, -2), slice(9, None)], ids=repr)
def test_a_slice_is_of_the_same_class(objects, plain, place):
    assert type(objects[place]) is S3Objects
    assert objects[place] == plain[place]


COPIES = {"copy()": S3Objects.copy, "copy.copy": copy.copy, "[:]": lambda objects: objects[:]}


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
def test_a_copy_is_another_list_of_the_same_objects(objects, copied):
    other = copied(objects)
    assert type(other) is S3Objects
    assert other == objects
    other.pop()
    assert keys(objects) == KEYS


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickled_and_read_back(objects, protocol):
    again = pickle.loads(pickle.dumps(objects, protocol))
    assert type(again) is S3Objects
    assert keys(again) == KEYS
    assert [one.size for one in again] == [1, 1, 1, 1]


def test_a_deep_copy(objects):
    again = copy.deepcopy(objects)
    assert type(again) is S3Objects
    assert keys(again) == KEYS
    assert again[0] is not objects[0]


def test_the_sum_of_two_is_of_the_same_class(objects):
    added = objects + S3Objects([an_object("e")])
    assert type(added) is S3Objects
    assert keys(added) == [*KEYS, "e"]
    assert keys(objects) == KEYS


def test_the_sum_with_another_list_is_a_list(objects, plain):
    other, pair = [1], (1,)
    assert type(objects + other) is type(other + objects) is list
    assert objects + other == [*plain, 1]
    assert other + objects == [1, *plain]
    with pytest.raises(TypeError):
        objects + pair


def test_it_changes_as_a_list_does(objects):
    objects.sort(key=lambda one: one.key, reverse=True)
    assert keys(objects) == KEYS[::-1]
    objects.append(an_object("e"))
    objects += [an_object("f")]
    del objects[0]
    objects[0:1] = []
    assert type(objects) is S3Objects
    assert keys(objects) == ["b", "a", "e", "f"]


def test_copies_and_slices_are_as_of_a_list(objects, plain):
    first, *rest = objects
    assert first is plain[0]
    assert type(rest) is list
    assert sorted(objects, key=lambda one: one.key) == plain
    assert list(reversed(objects)) == plain[::-1]
    assert objects.index(plain[2]) == 2
    assert plain[1] in objects
    assert json.dumps(objects, default=lambda one: one.key) == json.dumps(KEYS)
    with pytest.raises(TypeError, match="unhashable"):
        hash(objects)

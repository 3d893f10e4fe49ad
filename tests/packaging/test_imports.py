"""`metaflow.datatools.s3` has all names, and each is the same object as in the other modules."""

import copy
import pickle
import subprocess
import sys

import pytest

from metaflow_extensions.fasts3 import typed
from metaflow_extensions.fasts3.api.s3objects import s3object_of_listed
from metaflow_extensions.fasts3.wire.transfers import DetailedObject

PLACE = "metaflow.datatools.s3"
METAFLOWS = "metaflow.plugins.datatools.s3.s3"  # where Metaflow's own exceptions say that they are from
EXCEPTIONS = [name for name in typed.__all__ if name.startswith("MetaflowS3")]
OWN = [name for name in EXCEPTIONS if name != "MetaflowS3PreconditionFailed"]  # those that Metaflow has as well


def in_a_new_process(program):
    """Give what a Python that has imported nothing yet printed."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def as_pickled(module, name):
    """The bytes in which another process keeps a class of this name."""
    return f"c{module}\n{name}\n.".encode()


@pytest.mark.parametrize("first", [PLACE, METAFLOWS, "metaflow.plugins.datatools.s3", "metaflow.datatools"])
def test_every_name_is_imported_from_one_place_whatever_was_imported_first(first):
    names = ", ".join(typed.__all__)
    printed = in_a_new_process(
        f"import {first}\nfrom {PLACE} import {names}\nfrom metaflow_extensions.fasts3 import typed\n"
        "print([name for name in typed.__all__ if globals()[name] is not getattr(typed, name)])"
    )
    assert printed == "[]"


@pytest.mark.parametrize("name", OWN)
def test_exceptions_are_caught_by_code_for_metaflows_own_class(name):
    scope = {}
    exec(f"from {METAFLOWS} import {name} as caught\nfrom {PLACE} import {name} as raised", scope)
    with pytest.raises(scope["caught"], match="gone"):
        raise scope["raised"]("gone")


@pytest.mark.parametrize("name", EXCEPTIONS)
def test_a_pickled_exception_keeps_its_message(name):
    error = getattr(typed, name)("gone")
    error.url, error.status = "s3://bucket/key", 404
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert (str(again), again.url, again.status) == (str(error), "s3://bucket/key", 404)


def test_pickles_are_read_by_a_process_without_imports():
    entry = typed.S3Object(None, "s3://bucket/key")
    kept = [
        typed.S3,  # of a function that was sent to another process
        entry,
        typed.S3Objects([entry]),
        typed.S3GetObject("key", 1, 2),
        typed.S3PutObject("key", "value"),
        typed.S3Upload("s3://bucket/key", "id", 1, 2.0),
        typed.RangeInfo(3, 1, 2),
        typed.Progress("get", 1, 2, 3, 4, 0, 5.0, True),
        *(getattr(typed, name)("gone") for name in EXCEPTIONS),
    ]
    for in_order in (kept, kept[::-1]):  # whichever comes first
        pickled = [pickle.dumps(one) for one in in_order]
        printed = in_a_new_process(f"import pickle\nprint([pickle.loads(data) for data in {pickled!r}])")
        assert printed == repr(in_order)


WITHOUT = """
import pickle, sys

class Hidden:
    def find_spec(self, name, *_):
        if name.partition(".")[0] == "metaflow_extensions":
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Hidden())
"""


def test_artifacts_are_read_without_this_package():
    found = typed.S3Object(
        "s3://bucket/a", "s3://bucket/a/b", None, 3, "text/plain", {"metaflow-user-attributes": "{}"}
    )
    large = typed.S3Object(None, "s3://bucket/key", size=2, range_info=typed.RangeInfo(9, 1, 2), etag='"e"')
    bare = s3object_of_listed("s3://bucket", "s3://bucket/key", DetailedObject("key", 7, '"e"', 1.0, "STANDARD"))
    kept = [typed.S3Objects([found, large, bare]), typed.S3GetObject("key", 1, 2), typed.S3PutObject("key", "value")]
    printed = in_a_new_process(
        f"{WITHOUT}objects, asked, put = pickle.loads({pickle.dumps(kept)!r})\n"
        "print(type(objects) is list, sorted({type(one).__module__ for one in (*objects, asked, put)}))\n"
        "print([(one.key, one.url, one.prefix, one.size, one.exists, one.downloaded) for one in objects])\n"
        "print(objects[0].content_type, objects[0].metadata, tuple(objects[1].range_info), objects[2].last_modified)\n"
        "print(tuple(asked), tuple(put))\n"
        "print('metaflow_extensions.fasts3' in sys.modules)"
    )
    assert printed.splitlines() == [
        f"True {[METAFLOWS]}",
        str([(one.key, one.url, one.prefix, one.size, one.exists, one.downloaded) for one in kept[0]]),
        "text/plain {} (9, 1, 2) 1",
        "('key', 1, 2) ('key', 'value', None, None, None, None)",
        "False",
    ]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_keep_classes_and_attributes(protocol):
    bare = s3object_of_listed("s3://bucket", "s3://bucket/key", DetailedObject("key", 7, '"e"', 1.0, "STANDARD"))
    found = typed.S3Downloads([bare], [], ["path"])

    class Own(typed.S3Object):
        pass

    for again in (pickle.loads(pickle.dumps(found, protocol)), copy.copy(found), copy.deepcopy(found)):
        assert (type(again), again.deleted) == (typed.S3Downloads, ["path"])
        assert again[0].__dict__ == bare.__dict__  # no attribute more: a listing may have millions of objects

    class OwnGet(typed.S3GetObject):
        pass

    assert type(copy.copy(Own("s3://bucket", "s3://bucket/key"))) is Own
    assert type(copy.copy(OwnGet("k"))) is OwnGet
    for one in (typed.S3GetObject("k", version_id="v"), typed.S3PutObject("k", "v", if_match="e"), typed.RangeInfo(1)):
        again = pickle.loads(pickle.dumps(one, protocol))
        assert (type(again), again) == (type(one), one)


@pytest.mark.parametrize("module", [PLACE, METAFLOWS])
def test_exceptions_that_metaflows_class_pickled_are_these(module):
    pickled = {name: as_pickled(module, name) for name in OWN}
    printed = in_a_new_process(
        f"import pickle\nfound = {{name: pickle.loads(data) for name, data in {pickled!r}.items()}}\n"
        "from metaflow_extensions.fasts3 import typed\n"
        "print([name for name in found if found[name] is not getattr(typed, name)])"
    )
    assert printed == "[]"


def test_metaflows_package_has_nothing_else_of_the_hook():
    printed = in_a_new_process(
        "import metaflow.plugins.datatools as tools\n"
        "print([name for name in ('package', 'stand_in') if hasattr(tools, name)])"
    )
    assert printed == "[]"

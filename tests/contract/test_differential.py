"""The same random calls on our own wire and on boto3: every field of every result is the same."""

import itertools

import metaflow.metaflow_config as configuration
import pytest
from contract.content import noise
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from metaflow.datatools.s3 import S3GetObject
from metaflow.exception import MetaflowException
from model.calls import every_call, pool_for
from model.fields import plain

from metaflow_extensions.fasts3.plans.pieces import PART_SIZE


@pytest.fixture
def both(make_s3, root, monkeypatch):
    """Return a function that runs calls on both, each below its own root, and returns the results of each."""
    numbers = itertools.count()

    def begin():
        place = f"{root}/{next(numbers)}"
        clients = {name: make_s3(s3root=f"{place}/{name}") for name in ("wire", "boto3")}

        def do(operation, which_error=True):
            results = []
            for name, client in clients.items():
                monkeypatch.setattr(configuration, "S3_TRANSFERS", name)
                assert client.transfers.startswith(name)
                try:
                    result = plain(operation(client))
                except MetaflowException as error:
                    result = (type(error).__name__, getattr(error, "s3_code", None)) if which_error else "refused"
                results.append(repr(result).replace(f"{place}/{name}", "ROOT"))
            return results

        return do

    return begin


@pytest.mark.filterwarnings("ignore:No objects under")
# Shrinking would take longer than a test may: each try is dozens of calls on a real server.
@settings(max_examples=5, phases=[Phase.generate], suppress_health_check=list(HealthCheck), print_blob=True)
@given(data=st.data())
def test_random_calls(both, server, tmp_path, data):
    do = both()
    calls = st.one_of(*every_call(pool_for(server)).values())
    for call in data.draw(st.lists(calls, min_size=20, max_size=30)):
        # Of several keys that can't be had, any may be the first.
        which_error = getattr(call, "method", None) != "get_many"
        wire, boto3 = do(lambda s3, call=call: call.on(s3, tmp_path), which_error)
        assert wire == boto3, call


@pytest.mark.parametrize("size", [PART_SIZE - 1, PART_SIZE, PART_SIZE + 1, 3 * PART_SIZE + 5])
def test_large_objects(both, size):
    do = both()
    for operation in (
        lambda s3: s3.put("k", noise(size), metadata={"a": "b"}),
        lambda s3: s3.get("k", return_info=True),
        lambda s3: s3.get_many([S3GetObject(key="k", offset=PART_SIZE - 3, length=7)]),
        lambda s3: s3.put("k", b"other", overwrite=False),
        lambda s3: s3.info("k").size,
    ):
        wire, boto3 = do(operation)
        assert wire == boto3

"""A server that redirects: the client never follows with a signature."""

import pytest
from faults.cases import SMALL
from metaflow.datatools.s3 import MetaflowS3Exception
from servers import faults
from servers.faulty import FaultyS3

CALLS = {
    "get": ("GetObject", lambda s3: s3.get("a")),
    "get_many": ("GetObject", lambda s3: s3.get_many(["a", "b"])),
    "info": ("HeadObject", lambda s3: s3.info("a")),
    "list_paths": ("ListObjectsV2", lambda s3: s3.list_paths()),
    "put": ("PutObject", lambda s3: s3.put("a", SMALL)),
}


@pytest.fixture
def elsewhere(seaweedfs):
    """Another host, which would respond."""
    with FaultyS3(seaweedfs) as other:
        yield other


REGIONS = (None, "eu-central-1", "elsewhere.example/#")
# Each status once and each region once; with all others: `make test-all`.
ONCE = {(301, REGIONS[2]), (302, None), (307, REGIONS[1]), (308, None)}
REDIRECTS = [
    pytest.param(status, region, marks=() if (status, region) in ONCE else (pytest.mark.release,))
    for status in (301, 302, 307, 308)
    for region in REGIONS
]


@pytest.mark.parametrize(("status", "region"), REDIRECTS)
@pytest.mark.parametrize("verb", CALLS)
def test_redirects_are_not_followed(world, elsewhere, verb, status, region):
    operation, call = CALLS[verb]
    world.stored.put_all({"a": SMALL, "b": SMALL})
    location = f"{elsewhere.client_params()['endpoint_url']}/{world.stored.bucket}/{world.stored.prefix}a"
    world.proxy.inject(operation, faults.redirect(status, location, region), times=None)
    with pytest.raises(MetaflowS3Exception) as raised:
        call(world.s3)
    assert operation in str(raised.value)
    assert elsewhere.requests == []

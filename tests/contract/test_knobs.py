"""The limits of a call: connections, bandwidth and part size, measured by a proxy before each server."""

import os
import signal
import threading
import time

import pytest
from contract.content import digest, noise
from servers.faulty import FaultyS3

MIB = 2**20
LEAST = 5 * MIB  # bytes of a part
COMES = 5.0  # seconds for which a request waits for others: each worker finds for itself how many are worth it
COMES_YET = 0.3  # seconds in which one request too many would be there


@pytest.fixture(scope="module")
def proxy(server):
    with FaultyS3(server) as proxy:
        yield proxy


@pytest.fixture
def limited(make_s3, proxy, root):
    """Create an `S3` with limits behind the proxy, without knowledge of the endpoint."""

    def make(**limits):
        s3 = make_s3(s3root=root, client_params=proxy.client_params(), **limits)
        s3.info("nothing", return_missing=True)  # the first call to a server sends HeadBucket after a bare 404
        proxy.clear()
        return s3

    yield make
    proxy.remove_faults()
    assert proxy.problems == []


def requests_of(proxy, operation):
    return [one for one in proxy.requests if one.operation == operation]


# --- part_size. Plans cut objects, above the transfers; `test_sizes` has parts with both.

above_transfers = pytest.mark.above_transfers


def put_bytes(s3, key, blob, local):
    s3.put(key, blob)


def put_many(s3, key, blob, local):
    s3.put_many([(key, blob)])


def put_open_file(s3, key, blob, local):
    local.write_bytes(blob)
    with open(local, "rb") as file:
        s3.put(key, file)


def put_files(s3, key, blob, local):
    local.write_bytes(blob)
    s3.put_files([(key, str(local))])


ways_in = pytest.mark.parametrize(
    "way_in", [put_bytes, put_many, put_open_file, put_files], ids=lambda way: way.__name__
)


@above_transfers
@ways_in
def test_uploads_are_cut_into_parts_of_this_size(limited, proxy, stored, tmp_path, way_in):
    blob = noise(12 * MIB)
    way_in(limited(part_size=LEAST), "k", blob, tmp_path / "local")
    assert sorted(len(part.body) for part in requests_of(proxy, "UploadPart")) == [2 * MIB, LEAST, LEAST]
    assert digest(stored.blob("k")) == digest(blob)


@above_transfers
@ways_in
def test_objects_up_to_the_part_size_take_one_request(limited, proxy, stored, tmp_path, way_in):
    blob = noise(12 * MIB)
    way_in(limited(part_size=12 * MIB), "k", blob, tmp_path / "local")
    assert [len(one.body) for one in requests_of(proxy, "PutObject")] == [12 * MIB]
    assert requests_of(proxy, "UploadPart") == []
    assert digest(stored.blob("k")) == digest(blob)


@above_transfers
@pytest.mark.parametrize(
    ("part_size", "ranges"),
    [
        (LEAST, {None, (LEAST, 2 * LEAST - 1), (2 * LEAST, 12 * MIB - 1)}),
        (8 * MIB - 1, {None, (8 * MIB - 1, 12 * MIB - 1)}),
        (8 * MIB, {None}),  # up to one and a half pieces are one request
        (5 * 2**30, {None}),
    ],
)
@pytest.mark.parametrize("many", [False, True], ids=["get", "get_many"])
def test_downloads_are_cut_into_pieces_of_this_size(limited, proxy, stored, part_size, ranges, many):
    blob = noise(12 * MIB)
    stored.put("k", blob)
    s3 = limited(part_size=part_size)
    got = s3.get_many(["k"])[0] if many else s3.get("k")
    assert digest(got.blob) == digest(blob)
    expected = {one and "bytes={}-{}".format(*one) for one in ranges}
    assert {one.headers.get("range") for one in requests_of(proxy, "GetObject")} == expected


@above_transfers
@pytest.mark.parametrize("way_in", [put_bytes, put_many], ids=lambda way: way.__name__)
def test_values_in_memory_are_sent_in_smaller_parts(limited, proxy, stored, tmp_path, way_in):
    blob = noise(33 * MIB)
    way_in(limited(part_size=2**30), "k", blob, tmp_path / "local")
    assert sorted(len(part.body) for part in requests_of(proxy, "UploadPart")) == [MIB, 32 * MIB]
    assert digest(stored.blob("k")) == digest(blob)


@above_transfers
def test_files_are_sent_in_parts_of_any_size(limited, proxy, stored, tmp_path):
    blob = noise(33 * MIB)
    put_files(limited(part_size=2**30), "k", blob, tmp_path / "local")
    assert [len(one.body) for one in requests_of(proxy, "PutObject")] == [33 * MIB]
    assert digest(stored.blob("k")) == digest(blob)


# --- max_connections


class Crowd:
    """Counts requests that are under way side by side; holds each until as many are there as may be, and the first
    then until one more would have come.
    """

    def __init__(self, allowed):
        self.allowed = allowed
        self.most = 0
        self._held = 0
        self._under_way = 0
        self._changed = threading.Condition()

    def __call__(self, exchange):
        with self._changed:
            self._under_way += 1
            self.most = max(self.most, self._under_way)
            self._changed.notify_all()
            if self._changed.wait_for(lambda: self.most >= self.allowed, COMES) and self._held < 2 * self.allowed:
                self._held += 1
                self._changed.wait_for(lambda: self.most > self.allowed, COMES_YET)
        response = exchange.forward()
        with self._changed:
            self._under_way -= 1  # before the response, after which the client may send the next request
        exchange.send(response.head + response.body)


@pytest.mark.above_transfers
@pytest.mark.parametrize("allowed", [1, 3])
def test_so_many_requests_are_under_way_and_no_more(limited, proxy, stored, allowed):
    blobs = {f"k{number}": b"%d" % number for number in range(20)}
    s3 = limited(max_connections=allowed)
    for call in (
        lambda: s3.put_many(list(blobs.items())),
        lambda: s3.get_many(list(blobs)),
        lambda: s3.info_many(list(blobs)),
    ):
        proxy.inject_where(lambda _: True, crowd := Crowd(allowed), times=None)
        call()
        assert crowd.most == allowed
        proxy.remove_faults()
    assert stored.blobs() == blobs


@pytest.mark.above_transfers
def test_the_pieces_of_one_object_are_requests_as_well(limited, proxy, stored):
    blob = noise(20 * MIB)
    s3 = limited(max_connections=2, part_size=LEAST)
    for call in (lambda: s3.put("k", blob), lambda: s3.get("k")):
        proxy.inject_where(lambda _: True, crowd := Crowd(2), times=None)
        call()
        assert crowd.most == 2
        proxy.remove_faults()
    assert digest(s3.get("k").blob) == digest(blob)


# --- max_bandwidth


def seconds(call):
    began = time.monotonic()
    call()
    return time.monotonic() - began


SMALL = {f"k{number:02}": bytes([number]) * 25_000 for number in range(50)}
AT_LEAST = 0.9 * 50 * 25_000 / 1e6  # seconds, at 1 MB/s


def test_many_small_objects_take_their_time(limited, stored):
    s3 = limited(max_bandwidth=1e6)
    assert seconds(lambda: s3.put_many(list(SMALL.items()))) >= AT_LEAST
    assert stored.blobs() == SMALL
    got = []
    assert seconds(lambda: got.extend(s3.get_many(list(SMALL)))) >= AT_LEAST
    assert {obj.key: obj.blob for obj in got} == SMALL


@ways_in
def test_a_large_upload_takes_its_time(limited, stored, tmp_path, way_in):
    blob = noise(6 * MIB)
    s3 = limited(max_bandwidth=6 * MIB, part_size=LEAST)
    assert seconds(lambda: way_in(s3, "k", blob, tmp_path / "local")) >= 0.9
    assert digest(stored.blob("k")) == digest(blob)


@pytest.mark.parametrize("many", [False, True], ids=["get", "get_many"])
def test_a_large_download_takes_its_time(limited, stored, many):
    blob = noise(6 * MIB)
    stored.put("k", blob)
    s3 = limited(max_bandwidth=6 * MIB, part_size=LEAST)
    got = []
    assert seconds(lambda: got.append(s3.get_many(["k"])[0] if many else s3.get("k"))) >= 0.9
    assert digest(got[0].blob) == digest(blob)


def test_calls_one_after_the_other_keep_the_limit(limited):
    s3 = limited(max_bandwidth=1e6)
    assert seconds(lambda: [s3.put(key, value) for key, value in SMALL.items()]) >= AT_LEAST


def test_the_limit_belongs_to_its_client(limited, make_s3, proxy, root, stored):
    """The same workers do both; with the limit, this would take a quarter of an hour and end in a time-out."""
    limited(max_bandwidth=1024).put_many([("small", b"x" * 100)])
    free = make_s3(s3root=root, client_params=proxy.client_params())
    free.put_many(list(SMALL.items()))
    assert stored.blobs() == {"small": b"x" * 100, **SMALL}


@pytest.mark.parametrize("many", [False, True], ids=["get", "get_many"])
def test_a_wait_for_the_limit_can_be_interrupted(limited, proxy, stored, many):
    """To wait would take a quarter of an hour, and end in a time-out."""
    stored.put("k", noise(MIB))
    s3 = limited(max_bandwidth=1024)

    def interrupt(exchange):
        response = exchange.forward()
        exchange.send(response.head + response.body[:10_000])
        os.kill(os.getpid(), signal.SIGINT)
        exchange.wait_until_client_closes()

    proxy.inject("GetObject", interrupt)
    with pytest.raises(KeyboardInterrupt):
        s3.get_many(["k"]) if many else s3.get("k")

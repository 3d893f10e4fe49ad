"""A bucket in another region than the configured one: each operation is redirected once for the whole process.

The proxy compares the region of each signature with that of the buckets, SeaweedFS verifies the signature.
"""

import re
import socket
import urllib.request

import pytest
from attacks.hostile import hostile, response
from botocore.config import Config
from faults.cases import CASES, SMALL
from metaflow import S3
from servers.regional import HOME, REDIRECTS, RegionalS3, region_of
from servers.world import PATIENCE, new_world
from wire.certificates import Certificates

from metaflow_extensions.fasts3.api.executor import MOST_WORKERS
from metaflow_extensions.fasts3.machine.processors import processors
from metaflow_extensions.fasts3.wire import addresses
from metaflow_extensions.fasts3.workers import worker_pool
from metaflow_extensions.fasts3.workers.concurrency import FIRST_ROOM

AT_ONCE = 16  # requests of a few objects, each with an explanation of its HEAD
FIRST = FIRST_ROOM * min(processors(), MOST_WORKERS)  # jobs that workers have before the first response
MANY = [str(number) for number in range(600)]
NAMED = {"301", "307", "400"}
OBJECT = response(b"x", ETag='"e"', Last_Modified="Mon, 23 Nov 2026 10:00:00 GMT")
ELSEWHERE = response(
    b"<Error><Code>TemporaryRedirect</Code><Message>It is elsewhere.</Message></Error>",
    "307 Temporary Redirect",
    x_amz_bucket_region=HOME,
    Location="https://elsewhere.invalid/",
)


@pytest.fixture(scope="session")
def proxy(seaweedfs):
    with RegionalS3(seaweedfs) as proxy:
        yield proxy


@pytest.fixture
def world(proxy, oracle, tmp_path, implementation):
    proxy.redirect = REDIRECTS["301"]
    if implementation == "boto3":  # botocore's clients in workers remember the region, too
        worker_pool.shared.close()
    with new_world(proxy, oracle, tmp_path, silence=PATIENCE) as world:
        yield world


def cells():
    """A row for each operation, each with one redirect; all rows with all of them: `make test-all`.

    A job is moved to another region because of its operation, whatever the call (`workers/relocation.py`).
    """
    met = set()
    for number, case in enumerate(CASES):
        first = case.operation not in met
        met.add(case.operation)
        for column, name in enumerate(REDIRECTS):
            daily = first and number % len(REDIRECTS) == column
            yield pytest.param(case, name, id=f"{case.name}-{name}", marks=() if daily else pytest.mark.release)


@pytest.mark.parametrize(("case", "redirect"), list(cells()))
def test_each_operation_is_redirected_once(world, case, redirect):
    world.proxy.redirect = REDIRECTS[redirect]
    for step, _ in enumerate(case.play(world)):
        assert step == 0
        world.proxy.requests.clear()
    count = len(world.proxy.redirected)
    assert 1 <= count <= AT_ONCE
    before = len(world.proxy.requests)
    assert world.s3.info_many(["x", "y", "z"], return_missing=True)
    assert len(world.proxy.requests) > before
    assert len(world.proxy.redirected) == count


CALLS = {
    "get": (lambda s3: s3.get("a"), 1),
    "info": (lambda s3: s3.info("a"), 1),
    "list_paths": (lambda s3: s3.list_paths(), 1),
    "list_versions": (lambda s3: list(s3.list_versions()), 1),
    "put": (lambda s3: s3.put("b", SMALL), 1),
    "copy": (lambda s3: s3.copy("a", "b"), 2),
    "delete": (lambda s3: s3.delete("a"), 1),
}


@pytest.mark.parametrize("redirect", REDIRECTS)
@pytest.mark.parametrize(("call", "requests"), CALLS.values(), ids=CALLS)
def test_it_takes_one_request(world, call, requests, redirect):
    """One more to explain the 400 of a HEAD, and HeadBucket if no response has named the region."""
    world.proxy.redirect = REDIRECTS[redirect]
    world.stored.put("a", SMALL)
    call(world.s3)
    redirected = [request.operation for request in world.proxy.redirected]
    explained = redirected[0] == "HeadObject" and redirect.startswith("400")
    assert len(redirected) == 1 + explained + (redirect not in NAMED)
    assert redirected.count("HeadBucket") == (redirect not in NAMED)
    assert len(world.proxy.requests) == len(redirected) + requests


@pytest.mark.parametrize("redirect", REDIRECTS)
def test_workers_share_a_region(world, redirect):
    world.proxy.redirect = REDIRECTS[redirect]
    assert len(world.s3.info_many(MANY, return_missing=True)) == len(MANY)
    redirected = [request.operation for request in world.proxy.redirected]
    assert len(redirected) <= FIRST * (2 if redirect.startswith("400") else 1) + 1
    assert redirected.count("HeadBucket") == (redirect not in NAMED)
    for call in (world.s3.info_many, world.s3.get_many):
        call(MANY, return_missing=True)
    assert len(world.proxy.redirected) == len(redirected)


def test_clients_of_a_process_share_a_region(world, tmp_path):
    world.stored.put("a", SMALL)
    world.s3.info("a")
    for root in (world.root, world.root + "/"):
        with S3(s3root=root, client_params=world.proxy.client_params(), tmproot=str(tmp_path)) as s3:
            assert s3.get("a").blob == SMALL
    assert len(world.proxy.redirected) == 1


def test_a_bucket_that_moves_is_followed(world, monkeypatch):
    world.stored.put("a", SMALL)
    world.s3.info("a")
    for home in ("us-east-1", "ap-south-1"):
        monkeypatch.setattr("servers.regional.HOME", home)
        assert world.s3.get("a").blob == SMALL
        assert len(world.s3.get_many(["a"] * 3)) == 3
        assert region_of(world.proxy.requests[-1]) == home
    assert len(world.proxy.redirected) == 3


def test_presigned_urls_are_for_the_region_that_is_known(world):
    world.stored.put("a", SMALL)
    assert "/us-east-1/s3/" in urllib.request.unquote(world.s3.presign("a"))
    world.s3.info("a")
    url = world.s3.presign("a")
    assert f"/{HOME}/s3/" in urllib.request.unquote(url)
    with urllib.request.urlopen(url) as response:
        assert response.read() == SMALL


def respond(head):
    good = response(ETag='"e"') if head.startswith(b"PUT ") else OBJECT
    return good if f"/{HOME}/s3/".encode() in head else ELSEWHERE


def test_with_tls(implementation, tmp_path):
    certificates = Certificates(tmp_path)
    with hostile(certificates.server()) as server:
        server.respond = respond
        params = server.client_params(verify=certificates.bundle)
        with S3(s3root="s3://bucket/root", client_params=params, tmproot=str(tmp_path)) as s3:
            assert s3.get("a").blob == b"x"
            assert [got.blob for got in s3.get_many(["a", "b", "c"])] == [b"x"] * 3
    assert len(server.heads) == 5


STYLES = {  # of addresses, and the hosts of the requests before and after the redirect
    "virtual": ("bucket.s3.amazonaws.com", f"bucket.s3.{HOME}.amazonaws.com"),
    "path": ("s3.amazonaws.com", f"s3.{HOME}.amazonaws.com"),
}


@pytest.fixture
def aws(monkeypatch, tmp_path):
    """The hosts of AWS, as one server; no other host may be looked up."""
    monkeypatch.setattr(addresses, "_known", {})
    resolve = socket.getaddrinfo
    certificates = Certificates(tmp_path)
    names = {name for hosts in STYLES.values() for name in hosts}
    with hostile(certificates.server(*names)) as server:

        def lead_here(host, port, *args, **kwargs):
            assert host in names
            return resolve("127.0.0.1", server.port, *args, **kwargs)

        monkeypatch.setattr(socket, "getaddrinfo", lead_here)
        server.respond = respond
        params = {**server.client_params(verify=certificates.bundle), "endpoint_url": None}
        yield server, params


@pytest.mark.parametrize("style", STYLES)
def test_at_aws_requests_go_to_the_host_of_the_region(aws, implementation, tmp_path, style):
    """A new bucket: until its name leads to its region, us-east-1 redirects."""
    server, params = aws
    params["config"] = Config(s3={"addressing_style": style})
    with S3(s3root="s3://bucket/root", client_params=params, tmproot=str(tmp_path)) as s3:
        assert s3.get("a").blob == b"x"
        assert s3.info("a").size == 1
        assert s3.put("a", b"x")
        assert STYLES[style][1] in s3.presign("a")
    hosts = [re.search(rb"\r\nhost: ([^\r]+)", head, re.IGNORECASE)[1].decode() for head in server.heads]
    before, after = STYLES[style]
    assert hosts == [before, after, after, after]

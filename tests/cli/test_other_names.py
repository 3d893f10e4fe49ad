"""Tests of copies whose destination is their source under another name: no object is lost."""

import pytest
from metaflow import S3
from metaflow.exception import MetaflowException
from servers import faults
from servers.faulty import FaultyS3
from servers.stored import Stored

ALIAS = "mine-abcdefgh-s3alias"
HEADER = ("--content-type", "x/new")  # with another header, S3 copies an object onto itself


@pytest.mark.parametrize(
    ("source", "target"), [("a//k", "a/k"), ("a/k", "a//k"), ("a/k", "/a/k"), ("a/k", "a\\k"), ("a/", "/a/")]
)
@pytest.mark.parametrize("options", [(), HEADER])
def test_a_key_that_the_server_takes_for_the_source(fasts3, root, stored, source, target, options):
    """SeaweedFS converts keys to paths."""
    stored.put("a/k", b"data")
    done = fasts3("mv", *options, f"{root}/{source}", f"{root}/{target}")
    assert done.exit_code == 1
    assert "under another name" in done.stderr
    assert stored.blobs() == {"a/k": b"data"}


@pytest.mark.parametrize("command", [("mv",), ("cp", "-r"), ("sync", "--delete")])
@pytest.mark.parametrize(("source", "target"), [("a/", "/a/b/"), ("a/b/", "/a/")])
def test_prefixes_that_overlap_on_the_server(fasts3, root, stored, command, source, target):
    blobs = {"a/k": b"1", "a/b/k": b"2", "a/b/b/k": b"3"}
    stored.put_all(blobs)
    done = fasts3(*command, f"{root}/{source}", f"{root}/{target}")
    assert done.exit_code == 1
    assert "under another name" in done.stderr
    assert stored.blobs() == blobs


class _WithAlias(FaultyS3):
    """A server whose bucket has a second name, as that of an access point."""

    def forward(self, request):
        bucket = self.real.bucket
        target = request.target.replace(f"/{ALIAS}/", f"/{bucket}/").replace(f"/{ALIAS}?", f"/{bucket}?")
        headers = {name: value.replace(ALIAS, bucket) for name, value in request.headers.items()}
        return super().forward(request._replace(target=target, headers=headers))


@pytest.fixture
def aliased(here, moto, monkeypatch):
    with _WithAlias(moto) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.client_params()["endpoint_url"])
        yield proxy
    assert proxy.problems == []


@pytest.fixture
def there(moto, prefix):
    return Stored(moto.boto3_client(), moto.bucket, prefix)


BLOBS = {"a/k": b"1", "a/b/k": b"2", "a/b/b/k": b"3"}


@pytest.mark.parametrize(
    ("command", "source", "target"),
    [
        ("mv", "a/k", "a/k"),
        ("mv", "a/k", "a/"),
        ("mv", "a/", "a/"),
        ("mv", "a/", "a/b/"),
        ("mv", "a/b/", "a/"),
        ("mv", "a/*", "a/b/"),
        ("cp -r", "a/", "a/b/"),
        ("sync --delete", "a", "a/b"),
        ("sync --delete", "a/b", "a"),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_an_alias_of_the_bucket(fasts3, aliased, there, command, source, target, turned):
    there.put_all(BLOBS)
    names = (ALIAS, there.bucket) if turned else (there.bucket, ALIAS)
    urls = [f"s3://{name}/{there.prefix}{key}" for name, key in zip(names, (source, target))]
    done = fasts3(*command.split(), *HEADER, *urls)
    assert done.exit_code == 1
    assert "under another name" in done.stderr
    assert there.blobs() == BLOBS


def test_an_alias_where_nothing_overlaps(fasts3, aliased, there):
    there.put_all(BLOBS)
    at, alias = (f"s3://{name}/{there.prefix}" for name in (there.bucket, ALIAS))
    assert fasts3("mv", f"{at}a/b/", f"{alias}c/").exit_code == 0
    assert fasts3("cp", *HEADER, f"{at}a/k", f"{alias}a/k").exit_code == 0  # in place
    assert there.blobs() == {"a/k": b"1", "c/k": b"2", "c/b/k": b"3"}


def test_other_buckets_with_the_same_keys(fasts3, aliased, there):
    other = Stored(there.client, f"{there.bucket}-other", there.prefix)
    there.client.create_bucket(Bucket=other.bucket)
    try:
        there.put_all(BLOBS)
        urls = [f"s3://{one.bucket}/{one.prefix}a/" for one in (there, other)]
        assert fasts3("mv", *urls).exit_code == 0
        assert (there.blobs(), other.blobs()) == ({}, BLOBS)
        assert fasts3("mv", *reversed(urls), "--dry-run").exit_code == 0
    finally:
        for key in other.list():
            other.delete(key)
        there.client.delete_bucket(Bucket=other.bucket)


def test_an_unreadable_access_point(fasts3, aliased, there):
    there.put_all(BLOBS)
    aliased.inject_where(
        lambda request: request.operation in ("HeadObject", "GetObject") and ALIAS in request.target,
        faults.error(403, "AccessDenied"),
        times=None,
    )
    at, alias = (f"s3://{name}/{there.prefix}a/k" for name in (there.bucket, ALIAS))
    assert fasts3("mv", *HEADER, at, alias).exit_code == 1
    assert there.blobs() == BLOBS


def test_copies_of_a_prefix_in_python(aliased, there, tmp_path):
    there.put_all(BLOBS)
    at, alias = (f"s3://{name}/{there.prefix}" for name in (there.bucket, ALIAS))
    with S3(tmproot=str(tmp_path)) as s3:
        with pytest.raises(MetaflowException, match="under another name"):
            s3.copy_recursive(f"{at}a", f"{alias}a/b")
        s3.copy_recursive(f"{at}a/b", f"{alias}c")
    assert there.blobs() == {**BLOBS, "c/k": b"2", "c/b/k": b"3"}


def test_pairs_that_replace_sources_under_another_name(aliased, there, tmp_path):
    there.put_all(BLOBS)
    at, alias = (f"s3://{name}/{there.prefix}" for name in (there.bucket, ALIAS))
    with S3(tmproot=str(tmp_path)) as s3:
        for pairs in (
            [(f"{at}a/k", f"{alias}a/b/k"), (f"{at}a/b/k", f"{at}c")],
            [(f"{alias}a/b/k", f"{at}c"), (f"{at}a/k", f"{at}a/b/k")],
        ):
            with pytest.raises(MetaflowException, match="under another name"):
                s3.copy_many(pairs)
            assert there.blobs() == BLOBS
        s3.copy_many([(f"{at}a/k", f"{alias}c"), (f"{at}a/b/k", f"{alias}d")])
    assert there.blobs() == {**BLOBS, "c": BLOBS["a/k"], "d": BLOBS["a/b/k"]}

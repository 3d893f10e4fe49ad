"""Errors have the right class, and name the operation, the URL and the reason."""

import pytest
from case import case
from contract.verbs import DELETES, EVERY, KEEPING, LENIENT_READS, LISTINGS, READS, ROOTED, WRITES
from metaflow.datatools.s3 import (
    MetaflowS3AccessDenied,
    MetaflowS3Exception,
    MetaflowS3InvalidObject,
    MetaflowS3InvalidRange,
    MetaflowS3NotFound,
    MetaflowS3URLException,
)
from metaflow.exception import MetaflowException

pytestmark = pytest.mark.semantics


def test_headlines():
    headlines = {
        MetaflowS3AccessDenied: "S3 access denied",
        MetaflowS3Exception: "S3 access failed",
        MetaflowS3InvalidObject: "Not a string-like object",
        MetaflowS3InvalidRange: "S3 invalid range",
        MetaflowS3NotFound: "S3 object not found",
        MetaflowS3URLException: "Invalid address",
    }
    for error, headline in headlines.items():
        assert error.headline == headline
        assert issubclass(error, MetaflowException)
        # An `except` for one of them catches no other.
        assert [other for other in headlines if issubclass(error, other)] == [error]


@pytest.mark.parametrize("verb", READS.values(), ids=READS)
def test_a_missing_key(s3, root, server, verb):
    with pytest.raises(MetaflowS3NotFound) as error:
        verb(s3, "dir/nowhere")
    assert f"{root}/dir/nowhere" in str(error.value)
    assert server.access_key in str(error.value)
    assert server.secret_key not in str(error.value)


MANY = {"get_many": lambda s3, keys: s3.get_many(keys), "info_many": lambda s3, keys: s3.info_many(keys)}


@pytest.mark.parametrize("verb", MANY.values(), ids=MANY)
def test_all_missing_keys_are_named_up_to_ten(s3, root, stored, verb):
    stored.put("there")
    with pytest.raises(MetaflowS3NotFound) as error:
        verb(s3, ["there", "no 1", "no 2", "no 1", "there"])
    assert str(error.value).startswith(f"2 of 3 objects do not exist: {root}/no 1, {root}/no 2. ")
    assert error.value.url in (f"{root}/no 1", f"{root}/no 2")
    assert error.value.status == 404
    with pytest.raises(MetaflowS3NotFound) as error:
        verb(s3, ["there", *(f"no {number}" for number in range(12))])
    named = ", ".join(f"{root}/no {number}" for number in range(10))
    assert str(error.value).startswith(f"12 of 13 objects do not exist: {named} and 2 more. ")


@pytest.mark.parametrize("verb", READS.values(), ids=READS)
def test_the_error_for_an_empty_key(s3, root, stored, verb):
    stored.put("below")
    for key in ("", None, "/"):
        with case(key):
            with pytest.raises(MetaflowS3NotFound, match=r"^The key is empty, .* Give a key; get_all\(\)") as error:
                verb(s3, key)
            assert error.value.url == root


@pytest.mark.parametrize("verb", READS.values(), ids=READS)
def test_a_traceback_leads_to_the_call_and_not_into_threads(s3, verb):
    with pytest.raises(MetaflowS3NotFound) as error:
        verb(s3, "nowhere")
    assert (error.value.__cause__, error.value.__suppress_context__) == (None, True)
    files = {entry.path.name for entry in error.traceback}
    assert not files & {"interruptible.py", "inline_runner.py", "process_runner.py"}


@pytest.mark.parametrize("verb", ["get", "get_many"])
def test_a_message_contains_that_of_s3(s3, verb):
    with pytest.raises(MetaflowS3NotFound, match=r"(?s)NoSuchKey.*GetObject|GetObject.*NoSuchKey"):
        READS[verb](s3, "nowhere")


MISSING_BUCKET = {**READS, **LENIENT_READS, **LISTINGS, **DELETES}


def test_a_missing_bucket_is_an_error_that_names_it(make_s3, server, prefix):
    # Also with return_missing, which is for keys.
    bucket = f"no-{prefix}"
    for name, verb in {**MISSING_BUCKET, **ROOTED, **WRITES}.items():
        with case(name), pytest.raises(MetaflowS3NotFound, match=bucket):
            verb(make_s3(s3root=f"s3://{bucket}/some"), "key")


def test_a_missing_bucket_of_a_url(bare, prefix):
    bucket = f"no-{prefix}"
    for name, verb in MISSING_BUCKET.items():
        with case(name), pytest.raises(MetaflowS3NotFound, match=bucket):
            verb(bare, f"s3://{bucket}/some/key")


def test_a_missing_bucket_among_others(bare, root, stored, prefix):
    stored.put("here", b"x")
    with pytest.raises(MetaflowS3NotFound, match=f"no-{prefix}"):
        bare.get_many([f"{root}/here", f"s3://no-{prefix}/key", f"{root}/nowhere"], return_missing=True)


@pytest.mark.needs("signatures")
def test_a_wrong_secret_is_access_denied(make_s3, root, server, stored):
    stored.put("k", b"value")
    params = {**server.client_params(), "aws_secret_access_key": "not-the-secret"}
    for name, verb in {**EVERY, **ROOTED}.items():
        with case(name):
            with pytest.raises(MetaflowS3AccessDenied) as error:
                verb(make_s3(s3root=root, client_params=params), "k")
            assert root in str(error.value)
            assert server.access_key in str(error.value)
            assert "not-the-secret" not in str(error.value)
            assert stored.blobs() == {"k": b"value"}


@pytest.mark.needs("unknown-identities")
@pytest.mark.parametrize("verb", ["get", "get_many", "info", "info_many"])
def test_an_unknown_identity_is_access_denied(make_s3, root, server, stored, verb):
    stored.put("k", b"value")
    params = {**server.client_params(), "aws_access_key_id": "nobody-we-know"}
    with pytest.raises(MetaflowS3AccessDenied, match="nobody-we-know"):
        READS[verb](make_s3(s3root=root, client_params=params), "k")


def test_after_an_error_the_client_still_works(make_s3, root, stored):
    stored.put("k", b"value")
    for name, verb in {**KEEPING, **ROOTED}.items():
        with case(name), make_s3(s3root=root) as s3:
            with pytest.raises(MetaflowS3NotFound):
                s3.get("nowhere")
            with pytest.raises(MetaflowS3NotFound):
                s3.get_many(["k", "nowhere", "k"])
            verb(s3, "dir") if verb in LISTINGS.values() else verb(s3, "k")
            assert s3.get("k").exists


def test_an_error_leaves_no_files(make_s3, prefix, tmproot):
    for name, verb in {**READS, **LISTINGS}.items():
        with case(name):
            with make_s3(s3root=f"s3://no-{prefix}") as s3, pytest.raises(MetaflowS3NotFound):
                verb(s3, "k")
            assert list(tmproot.rglob("*")) == []

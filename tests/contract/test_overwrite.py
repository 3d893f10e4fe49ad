"""`overwrite=False` uploads missing objects, changes no existing one, and never loses data silently."""

import io
from concurrent.futures import ThreadPoolExecutor

import pytest
from metaflow.datatools.s3 import MetaflowS3AccessDenied, MetaflowS3NotFound, S3PutObject

pytestmark = pytest.mark.semantics


@pytest.fixture
def put_pairs(s3, tmp_path):
    """`put_many` and `put_files` under one signature, for the given client or the usual one."""

    def put_many(pairs, client=s3, **kwargs):
        return client.put_many(pairs, **kwargs)

    def put_files(pairs, client=s3, **kwargs):
        files = []
        for number, (key, blob) in enumerate(pairs):
            path = tmp_path / str(number)
            path.write_bytes(blob)
            files.append((key, str(path)))
        return client.put_files(files, **kwargs)

    return {"put_many": put_many, "put_files": put_files}


both_verbs = pytest.mark.parametrize("verb", ["put_many", "put_files"])


def test_put_of_an_existing_key(s3, root, stored):
    stored.put("k", b"old", ContentType="text/x-old")

    assert s3.put("k", b"new", overwrite=False, content_type="text/x-new") == f"{root}/k"

    assert stored.blob("k") == b"old"
    assert stored.head("k")["ContentType"] == "text/x-old"


def test_put_of_a_missing_key(s3, root, stored):
    assert s3.put("k", b"new", overwrite=False) == f"{root}/k"
    assert stored.blobs() == {"k": b"new"}


def test_put_of_an_existing_empty_object(s3, stored):
    stored.put("k", b"")
    s3.put("k", b"new", overwrite=False)
    assert stored.blob("k") == b""


def test_a_file_that_is_not_uploaded_is_left_open(s3, stored):
    stored.put("k", b"old")
    file = io.BytesIO(b"new")
    s3.put("k", file, overwrite=False)
    assert not file.closed
    assert stored.blob("k") == b"old"


@both_verbs
def test_only_missing_keys_are_uploaded_and_returned(put_pairs, root, stored, verb):
    stored.put_all({"old/1": b"old", "old/2": b""})

    uploaded = put_pairs[verb]([("old/1", b"new"), ("z", b"new z"), ("old/2", b"new"), ("a", b"")], overwrite=False)

    assert uploaded == [("z", f"{root}/z"), ("a", f"{root}/a")]
    assert stored.blobs() == {"old/1": b"old", "old/2": b"", "z": b"new z", "a": b""}


@both_verbs
def test_no_object_is_missing(put_pairs, stored, verb):
    stored.put_all({"a": b"1", "b": b"2"})
    assert put_pairs[verb]([("a", b"new"), ("b", b"new")], overwrite=False) == []
    assert stored.blobs() == {"a": b"1", "b": b"2"}


@both_verbs
def test_everything_is_missing(put_pairs, root, stored, verb):
    uploaded = put_pairs[verb]([("b", b"2"), ("a", b"1")], overwrite=False)
    assert uploaded == [("b", f"{root}/b"), ("a", f"{root}/a")]
    assert stored.blobs() == {"a": b"1", "b": b"2"}


@both_verbs
def test_overwrite_true_overwrites(put_pairs, root, stored, verb):
    stored.put_all({"a": b"old"})
    assert put_pairs[verb]([("a", b"new")], overwrite=True) == [("a", f"{root}/a")]
    assert stored.blobs() == {"a": b"new"}


@pytest.mark.one_server
@both_verbs
def test_hundreds_of_which_every_third_is_there(put_pairs, s3, stored, verb):
    keys = [f"{number:03}" for number in range(150)]
    s3.put_many((key, b"old") for key in keys[::3])

    uploaded = put_pairs[verb]([(key, b"new") for key in keys], overwrite=False)

    assert [key for key, _ in uploaded] == [key for place, key in enumerate(keys) if place % 3]
    assert [o.blob for o in s3.get_many(keys)] == [b"new" if place % 3 else b"old" for place in range(len(keys))]


def test_content_type_and_metadata_of_what_was_missing(s3, stored):
    stored.put("old", b"old")
    s3.put_many(
        [S3PutObject(key, b"new", content_type="text/x-new", metadata={"n": 1}) for key in ("old", "new")],
        overwrite=False,
    )
    assert s3.info("old").metadata is None
    assert (s3.info("new").metadata, s3.info("new").content_type) == ({"n": 1}, "text/x-new")


def test_nothing_to_put(s3):
    assert s3.put_many([], overwrite=False) == []
    assert s3.put_files([], overwrite=False) == []


@pytest.mark.needs("conditional-writes", "overlapping-conditional-writes")
def test_one_of_many_concurrent_uploads_wins(make_s3, root, stored):
    # Each client sees that the key is missing; the server decides.
    clients = [make_s3(s3root=root) for _ in range(8)]

    def put(number):
        return clients[number].put_many([("k", b"%d" % number)], overwrite=False)

    with ThreadPoolExecutor(len(clients)) as pool:
        results = list(pool.map(put, range(len(clients))))

    winners = [number for number, uploaded in enumerate(results) if uploaded]
    assert len(winners) == 1
    assert results[winners[0]] == [("k", f"{root}/k")]
    assert stored.blob("k") == b"%d" % winners[0]


@both_verbs
def test_the_first_duplicate_is_uploaded_and_returned(put_pairs, root, stored, verb):
    # The others find it there.
    uploaded = put_pairs[verb]([("k", b"1"), ("other", b"x"), ("k", b"2")], overwrite=False)
    assert uploaded == [("k", f"{root}/k"), ("other", f"{root}/other")]
    assert stored.blobs() == {"k": b"1", "other": b"x"}


@pytest.mark.needs("signatures")
@both_verbs
def test_a_denied_head_is_an_error(make_s3, put_pairs, server, root, stored, verb):
    # Metaflow's own class takes any response but a 404 to HEAD as 'it exists', and the data is lost.
    denied = make_s3(s3root=root, client_params={**server.client_params(), "aws_secret_access_key": "wrong"})
    with pytest.raises(MetaflowS3AccessDenied):
        put_pairs[verb]([("k", b"new"), ("l", b"new")], client=denied, overwrite=False)
    with pytest.raises(MetaflowS3AccessDenied):
        denied.put("k", b"new", overwrite=False)
    assert stored.list() == set()


@both_verbs
def test_a_missing_bucket_is_an_error(make_s3, put_pairs, verb):
    nowhere = make_s3(s3root="s3://no-such-bucket-of-the-contract/x")
    with pytest.raises(MetaflowS3NotFound, match="no-such-bucket-of-the-contract"):
        put_pairs[verb]([("k", b"new")], client=nowhere, overwrite=False)
    with pytest.raises(MetaflowS3NotFound, match="no-such-bucket-of-the-contract"):
        nowhere.put("k", b"new", overwrite=False)

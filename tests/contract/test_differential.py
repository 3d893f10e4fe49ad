"""The same random operations on our own wire and on boto3: every field of every result is the same."""

import random

import metaflow.metaflow_config as configuration
import pytest
from metaflow.datatools.s3 import S3GetObject, S3PutObject
from metaflow.exception import MetaflowException

PART = 8 * 2**20
OPERATIONS = 40
KEYS = ["a", "b c", "dir/ü", "dir/deep/x+y", "dir/deep/%20", "other~", "q?x=1&y#z", "emoji-\U0001f984"]
SIZES = [0, 1, 17, 1024, 65_536, 300_000]


@pytest.fixture
def both(make_s3, root, monkeypatch):
    """Do the same with both, each below its own root; give what each answered, roots taken out."""
    clients = {name: make_s3(s3root=f"{root}/{name}") for name in ("wire", "boto3")}

    def do(operation):
        answers = []
        for name, client in clients.items():
            monkeypatch.setattr(configuration, "S3_TRANSFERS", name)
            assert client.transfers.startswith(name)
            try:
                answer = plain(operation(client))
            except MetaflowException as error:
                answer = (type(error).__name__, getattr(error, "s3_code", None))
            answers.append(repr(answer).replace(f"{root}/{name}", "ROOT"))
        return answers

    return do


def plain(answer):
    """All that a result tells, but when it was stored."""
    if isinstance(answer, (list, tuple)):
        return [plain(item) for item in answer]
    if not hasattr(answer, "exists"):
        return answer
    facts = [answer.url, answer.prefix, answer.key, answer.exists, answer.downloaded, answer.has_info]
    if answer.exists:
        facts += [answer.size, answer.content_type, answer.metadata, answer.range_info, answer.encryption]
        facts.append(answer.last_modified is None)
    if answer.downloaded:
        facts.append(answer.blob)
    return facts


def value(chance):
    return chance.randbytes(chance.choice(SIZES)) if hasattr(chance, "randbytes") else b"x" * chance.choice(SIZES)


def an_operation(chance):
    """One call of `S3` with arguments drawn by chance."""
    key, keys = chance.choice(KEYS), chance.choices(KEYS, k=chance.randint(1, 30))
    overwrite, return_info, return_missing = (chance.random() < 0.5 for _ in range(3))
    headers = chance.choice([{}, {"content_type": "text/x-test"}, {"metadata": {"n": 1, "ü": ["\u20ac"]}}])
    blob = value(chance)
    pairs = [S3PutObject(key=one, value=value(chance), **headers) for one in dict.fromkeys(keys)]
    part = S3GetObject(key=key, offset=chance.randint(0, 40), length=chance.choice([1, 5, 1000, -3]))
    calls = {
        "put": lambda s3: s3.put(key, blob, overwrite=overwrite, **headers),
        "put_many": lambda s3: s3.put_many(pairs, overwrite=overwrite),
        "get": lambda s3: s3.get(key, return_missing=return_missing, return_info=return_info),
        "get_many": lambda s3: s3.get_many(keys, return_missing=return_missing, return_info=return_info),
        "get a range": lambda s3: s3.get_many([part], return_missing=True, return_info=return_info),
        "get_recursive": lambda s3: s3.get_recursive(["dir"], return_info=return_info),
        "get_all": lambda s3: s3.get_all(return_info=return_info),
        "info": lambda s3: s3.info(key, return_missing=return_missing),
        "info_many": lambda s3: s3.info_many(keys, return_missing=return_missing),
        "list_paths": lambda s3: s3.list_paths(chance.choice([["dir"], [], ["dir", "nothing"]])),
        "list_recursive": lambda s3: s3.list_recursive(["dir"]),
    }
    name = chance.choice([*calls, "put_many", "put"])
    return name, calls[name], chance


@pytest.mark.filterwarnings("ignore:Nothing is below")
@pytest.mark.parametrize("seed", range(3))
def test_random_operations(both, seed):
    chance = random.Random(seed)
    for number in range(OPERATIONS):
        name, operation, draws = an_operation(chance)
        state = draws.getstate()

        def again(s3, operation=operation, draws=draws, state=state):
            draws.setstate(state)  # what the call itself draws is the same for both
            return operation(s3)

        wire, boto3 = both(again)
        assert wire == boto3, f"operation {number}, {name}"


@pytest.mark.parametrize("size", [PART - 1, PART, PART + 1, 3 * PART + 5])
def test_large_objects(both, size):
    blob = random.Random(size).randbytes(size) if hasattr(random.Random, "randbytes") else b"x" * size
    for operation in (
        lambda s3: s3.put("k", blob, metadata={"a": "b"}),
        lambda s3: s3.get("k", return_info=True),
        lambda s3: s3.get_many([S3GetObject(key="k", offset=PART - 3, length=7)]),
        lambda s3: s3.put("k", b"other", overwrite=False),
        lambda s3: s3.info("k").size,
    ):
        wire, boto3 = both(operation)
        assert wire == boto3

"""Tests of the fallback: which requests the second implementation gets, and what is remembered."""

import threading

import pytest

from metaflow_extensions.fasts3.wire.blocking import complete
from metaflow_extensions.fasts3.wire.failures import Code, Failure, TransferError
from metaflow_extensions.fasts3.wire.fallback import WithFallback
from metaflow_extensions.fasts3.wire.operations import BY_TRANSFER
from metaflow_extensions.fasts3.wire.template import NoTemplate

NONE = NoTemplate("a proxy")
FAILURES = {
    "a failure": TransferError(Failure(Code.NOT_FOUND, status=404)),
    "a redirect": TransferError(Failure(Code.REJECTED, "", "PermanentRedirect", 301, region="eu-west-1")),
}


class Implementation:
    """Returns or raises the given result for a bucket, and records its calls."""

    def __init__(self, name, results=()):
        self.name = name
        self.results = dict(results)
        self.calls = []

    def result(self, method, bucket, args, kwargs):
        self.calls.append((method, bucket, args, kwargs))
        result = self.results.get(bucket)
        if isinstance(result, BaseException):
            raise result
        return f"{self.name}: {method} {bucket}"


class First(Implementation):
    """Its methods are coroutines, as those of the wire."""

    def __getattr__(self, method):
        async def call(bucket, *args, **kwargs):
            return self.result(method, bucket, args, kwargs)

        return call


class Second(Implementation):
    """Its methods block, as those of boto3."""

    def __getattr__(self, method):
        return lambda bucket, *args, **kwargs: self.result(method, bucket, args, kwargs)


class Both:
    """Both implementations, the fallback, and how often the second was created."""

    def __init__(self, first=(), second=()):
        self.first, self.second = First("first", first), Second("second", second)
        self.made = 0
        self.fallback = WithFallback(self.first, self.make)

    def make(self):
        self.made += 1
        return self.second

    def call(self, method, *args, **kwargs):
        return complete(getattr(self.fallback, method)(*args, **kwargs))


def without_templates(*buckets):
    """Requests to these buckets have no template."""
    return dict.fromkeys(buckets, NONE)


def test_the_second_gets_no_calls_that_the_first_can_execute():
    both = Both()
    assert both.call("head", "b", "k") == "first: head b"
    assert both.call("list_page", "b", "k", delimiter="/") == "first: list_page b"
    assert both.first.calls == [("head", "b", ("k",), {}), ("list_page", "b", ("k",), {"delimiter": "/"})]
    assert (both.made, both.second.calls, both.fallback.reasons) == (0, [], {})


@pytest.mark.parametrize("method", BY_TRANSFER)
def test_every_method_has_a_fallback(method):
    both = Both(without_templates("b"))
    assert both.call(method, "b", "k", 1, named=2) == f"second: {method} b"
    assert both.first.calls == both.second.calls == [(method, "b", ("k", 1), {"named": 2})]


def test_a_bucket_may_be_named():
    assert Both().call("head_bucket", bucket="b") == "first: head_bucket b"


def test_other_names_are_no_methods():
    for name in ("close", "template", "__await__", "deepcopy", "_pool"):
        assert not hasattr(Both().fallback, name)


def test_after_a_missing_template_all_calls_go_to_the_second():
    both = Both({"b": NoTemplate("a proxy")})
    assert both.call("head", "b", "k") == "second: head b"
    assert both.fallback.reasons == {"b": "a proxy"}
    assert both.call("get", "b", "k") == "second: get b"
    assert [call[0] for call in both.first.calls] == ["head"]
    assert [call[0] for call in both.second.calls] == ["head", "get"]
    assert both.made == 1


def test_other_buckets_stay_with_the_first():
    both = Both(without_templates("b"))
    both.call("head", "b", "k")
    assert both.call("head", "c", "k") == "first: head c"
    assert list(both.fallback.reasons) == ["b"]


@pytest.mark.parametrize("error", FAILURES.values(), ids=FAILURES)
def test_failures_stay_what_they_are(error):
    both = Both({"b": error})
    with pytest.raises(TransferError) as failed:
        both.call("head", "b", "k")
    assert failed.value is error
    assert (both.made, both.fallback.reasons) == (0, {})


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("b")])
def test_other_exceptions_are_not_hidden(error):
    both = Both({"b": error})
    with pytest.raises(type(error)) as failed:
        both.call("head", "b", "k")
    assert failed.value is error
    assert both.made == 0


def test_failures_of_the_second_are_raised_and_not_remembered():
    failure = FAILURES["a failure"]
    both = Both(without_templates("b"), {"b": failure})
    for times in (1, 2):
        with pytest.raises(TransferError) as failed:
            both.call("head", "b", "k")
        assert failed.value is failure
        assert len(both.first.calls) == len(both.second.calls) == times
    assert (both.made, both.fallback.reasons) == (1, {})
    both.second.results.clear()
    assert both.call("head", "b", "other") == "second: head b"
    assert list(both.fallback.reasons) == ["b"]


def test_a_second_that_can_t_be_made_is_made_when_it_can():
    both = Both(without_templates("b"))
    make = both.fallback._make_second
    both.fallback._make_second = lambda: (_ for _ in ()).throw(RuntimeError("no boto3"))
    with pytest.raises(RuntimeError):
        both.call("head", "b", "k")
    assert both.fallback.reasons == {}
    both.fallback._make_second = make
    assert both.call("head", "b", "k") == "second: head b"


def test_threads_make_one_second_and_each_of_their_requests_is_done_once():
    buckets = [f"b{number}" for number in range(5)]
    both = Both(without_templates(*buckets))
    count, responses = 8, []
    start, inside = threading.Barrier(count), threading.Barrier(count)

    class Together(First):
        """All threads learn that there is no template before any of them continues."""

        def result(self, method, bucket, args, kwargs):
            inside.wait()
            return super().result(method, bucket, args, kwargs)

    both.fallback._first = both.first = Together("first", without_templates(*buckets))

    def work(number):
        start.wait()
        responses.append(both.call("head", buckets[number % 5], number))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(responses) == sorted(f"second: head {buckets[number % 5]}" for number in range(count))
    assert sorted(call[2][0] for call in both.second.calls) == list(range(count))
    assert both.made == 1
    assert sorted(both.fallback.reasons) == buckets

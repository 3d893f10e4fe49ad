"""Tests of the plan that lists versions."""

import pytest
from plans.carrying_out import carry_out

from metaflow_extensions.fasts3.plans.plan import JobFailed
from metaflow_extensions.fasts3.plans.versions import VersionListings, VersionsOf
from metaflow_extensions.fasts3.wire.failures import Code, Failure
from metaflow_extensions.fasts3.wire.transfers import ObjectVersion, VersionsPage

KEYS = {"a": 3, "a.b": 1, "a/b": 2, "b": 1}
PER_PAGE = 2


class Store:
    """Lists the versions of `KEYS`, two on a page."""

    def __init__(self):
        self.requests = []

    def __call__(self, job):
        self.requests.append((job.key, job.arguments.get("after")))
        rows = [
            ObjectVersion(key, str(number), number == 0, 1)
            for key, count in sorted(KEYS.items())
            for number in range(count)
            if key.startswith(job.key)
        ]
        after = job.arguments.get("after")
        first = [[row.key, row.version_id] for row in rows].index(after) + 1 if after else 0
        page = rows[first : first + PER_PAGE]
        more = first + PER_PAGE < len(rows)
        return VersionsPage(page, [page[-1].key, page[-1].version_id] if more else None)


def found(*keys, pick=0):
    store = Store()
    plan = VersionListings([VersionsOf("bucket", key) for key in keys])
    carry_out(plan, store, pick)
    return [[(one.key, one.version_id) for one in versions] for versions in plan.results], store.requests


def versions_of(*keys):
    return [(key, str(number)) for key in keys for number in range(KEYS[key])]


@pytest.mark.parametrize("pick", [0, -1])
def test_objects_and_prefixes(pick):
    results, _ = found("a", "a/", "", "b", "none", pick=pick)
    assert results == [versions_of("a"), versions_of("a/b"), versions_of("a", "a.b", "a/b", "b"), versions_of("b"), []]


def test_an_object_s_list_ends_with_its_last_version():
    """However many keys begin with its own."""
    _, requests = found("a")
    assert requests == [("a", None), ("a", ["a", "1"])]


def test_a_failure_ends_it():
    plan = VersionListings([VersionsOf("bucket", "a")])
    with pytest.raises(JobFailed):
        carry_out(plan, lambda job: Failure(Code.ACCESS_DENIED, "", "AccessDenied", 403))
    assert plan.cleanup() == []

"""A listing that is read at several places in parallel equals the page-by-page listing, in any order of keys."""

import random
import string

import pytest

from metaflow_extensions.fasts3.plans import split_listing
from metaflow_extensions.fasts3.plans.split_listing import Entry, SplitListing

pytestmark = pytest.mark.semantics

PAGE = 10  # keys; a thousand of them would take thousands of objects
# Objects that are prefixes as well, siblings that sort before and behind a slash, other alphabets.
KEYS = [
    *(f"a/{number:03}" for number in range(80)),
    *(f"a/b/{number}" for number in range(60)),
    *(f"a-b/{number:02}" for number in range(30)),
    *(f"a.{number:02}" for number in range(30)),
    *(f"c/{letter}/{number}" for letter in "xyzé漢" for number in range(10)),
    *(f"{letter}{number}" for letter in string.ascii_letters[:8] + "äß😀" for number in range(5)),
]


def page(client, bucket, prefix, request):
    more = (
        {"ContinuationToken": request.token}
        if request.token
        else {"StartAfter": request.after}
        if request.after
        else {}
    )
    response = client.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=PAGE, **more)
    rows = [Entry(row["Key"], row["Size"]) for row in response.get("Contents", ())]
    return rows, response.get("NextContinuationToken") if response["IsTruncated"] else None


@pytest.mark.needs("list-pages-of-unicode-keys")
@pytest.mark.no_transfers
@pytest.mark.release
def test_as_page_after_page(oracle, stored, server, prefix, monkeypatch):
    monkeypatch.setattr(split_listing, "WORTH_IT", 15.0)
    beside = [] if "object-beside-prefix" in server.lacks else ["a", "a/b", "c/x"]
    stored.put_all(dict.fromkeys([*KEYS, *beside], b""))
    folder = prefix.strip("/") + "/"

    def listed(width):
        listing, found, requests = SplitListing(folder, width), [], 0
        under_way = [listing.first]
        while under_way:
            requests += 1
            span = under_way.pop(random.Random(requests).randrange(len(under_way)))
            listing.receive(span, *page(oracle, server.bucket, folder, span.request))
            found += [row.key for row in listing.take()]
            under_way += listing.spans_to_request()
        return found

    expected = listed(1)
    assert sorted(expected) == sorted(folder + key for key in [*KEYS, *beside])
    assert listed(4) == expected
    assert listed(32) == expected

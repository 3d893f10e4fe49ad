"""What the tests of boto3's part share."""

import pytest

from metaflow_extensions.fasts3.boto import regions


@pytest.fixture(autouse=True)
def no_known_regions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the regions that redirects in other tests have named, perhaps of a bucket with the same name."""
    monkeypatch.setattr(regions, "_known", {})

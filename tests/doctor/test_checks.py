from metaflow_extensions.fasts3.doctor.checks import FIRST, REST, why_no_url


def test_every_check_runs_after_those_that_it_needs() -> None:
    done: set[str] = set()
    for one in (*FIRST, *REST):
        assert set(one.needs) <= done, one.name
        assert one.name not in done
        done.add(one.name)


def test_places_in_s3() -> None:
    assert why_no_url("s3://bucket/prefix") is None
    assert "has no bucket" in str(why_no_url("/local"))

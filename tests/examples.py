"""How many random examples hypothesis tries: all before a release, and less than a third for every change."""

from hypothesis import settings

ALL = 100  # of a test that does not say how many, with `--all`
OF_EVERY_CHANGE = 30  # the same without


def examples(count: int) -> settings:
    """Return the settings of a test that tries this many with `--all`, always the same ones.

    The profile of the run has the share of them that are tried, and all other settings.
    """
    return settings(max_examples=max(1, count * settings().max_examples // ALL))

"""The installed versions, the class behind `S3`, and whether Metaflow knows the user."""

import importlib
import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Optional

from metaflow_extensions.fasts3.api.errors import shown
from metaflow_extensions.fasts3.doctor.findings import Fact, Finding, ok, problem

DISTRIBUTION = "metaflow-fasts3"
NAMESPACE = "metaflow_extensions."
PLACES = ("metaflow", "metaflow.plugins.datatools", "metaflow.plugins.datatools.s3.s3")  # users', and the datastore's
TRY_AGAIN = f"Install it again: pip install --force-reinstall --no-deps {DISTRIBUTION}."


def facts() -> Iterator[Fact]:
    """The facts about software."""
    yield Fact("software", "python", f"{platform.python_version()} ({platform.python_implementation()})")
    yield Fact("software", "system", platform.platform())
    for name in ("metaflow", DISTRIBUTION, "boto3", "botocore", "awscrt"):
        found = version_of(name)
        if found or name != "awscrt":
            yield Fact("software", name.replace("-", "_"), found or "not installed")
    yield Fact("software", "extensions", extensions())


def version_of(distribution: str) -> Optional[str]:
    """The version of a distribution; None if it is not installed."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def extensions() -> "list[str]":
    """The extensions that Metaflow has loaded: names and versions."""
    from metaflow.extension_support import extension_info

    installed = extension_info().get("installed", {})
    return sorted(f"{name} {about.get('dist_version', '')}".strip() for name, about in installed.items())


def check_user() -> Finding:
    """Whether Metaflow knows the name of the user."""
    from metaflow.util import get_username

    found = get_username()
    if found:
        return ok(f"Metaflow's user name is {shown(found)}.")
    return problem(
        'Metaflow finds no user name (it does not accept "root"), so it runs no flow.',
        "Set METAFLOW_USER to your name: export METAFLOW_USER=me.",
    )


def check_class() -> Finding:
    """Whether `S3` is this package's class in all modules that have it."""
    from metaflow_extensions.fasts3.api.s3 import S3

    return class_finding({place: getattr(importlib.import_module(place), "S3", None) for place in PLACES}, S3)


def class_finding(found: "dict[str, Any]", ours: type) -> Finding:
    """The finding about classes: `found` has the `S3` of each module, `ours` is the expected one."""
    wrong = {place: other for place, other in found.items() if other is not ours}
    if not wrong:
        return ok("`from metaflow import S3` is this package's class; the S3 datastore uses it, too.")
    place, other = next(iter(wrong.items()))
    module = str(getattr(other, "__module__", type(other).__module__))
    if module.startswith(NAMESPACE) and not module.startswith(f"{NAMESPACE}fasts3."):
        extension = module.split(".")[1]
        return problem(
            f"`{place}.S3` is the class of another Metaflow extension, {extension!r}.",
            f"Uninstall one of the two; only one extension can provide S3. The other class is in {module}.",
        )
    if version_of(DISTRIBUTION) is None:
        return problem(
            f"`{place}.S3` is Metaflow's own class, because {DISTRIBUTION} is not installed.",
            f"Install it into the Python that runs this: pip install {DISTRIBUTION}.",
        )
    return problem(f"`{place}.S3` is not this package's class but that of {module}.", TRY_AGAIN)

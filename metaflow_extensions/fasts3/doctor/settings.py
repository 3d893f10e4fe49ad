"""The settings and their origins: an environment variable, a file, or a default.

Metaflow's settings are read from the sources that Metaflow uses. boto3 does not report the origin of a setting, so the
values of the client are only compared with the environment.
"""

import os
from typing import Any, NamedTuple, Optional

import metaflow.metaflow_config as configuration
import metaflow.metaflow_config_funcs as configuration_sources

from metaflow_extensions.fasts3.boto.clients import is_read_by_boto3
from metaflow_extensions.fasts3.boto.redaction import without_password

# All of Metaflow's and this package's settings for S3; see docs/settings.md and docs/retries.md.
NAMES = (
    "DATATOOLS_S3ROOT",
    "DATASTORE_SYSROOT_S3",
    "DATATOOLS_SUFFIX",
    "S3_ENDPOINT_URL",
    "S3_VERIFY_CERTIFICATE",
    "S3_SERVER_SIDE_ENCRYPTION",
    "S3_WORKER_COUNT",
    "S3_TRANSFERS",
    "S3_RETRY_COUNT",
    "S3_TRANSIENT_RETRY_COUNT",
    "S3_OUTAGE_TIMEOUT",
    "S3_LOG_TRANSIENT_RETRIES",
    "DATATOOLS_CLIENT_PARAMS",
    "DATATOOLS_SESSION_VARS",
    "DEFAULT_AWS_CLIENT_PROVIDER",
    "TEMPDIR",
    "DEBUG_S3CLIENT",
)
DEFAULT = "default"
COMMAND_LINE = "command line"
EXTENSION = "a Metaflow extension"


class Setting(NamedTuple):
    """A value and its origin."""

    value: Any
    origin: str


def variable(name: str) -> str:
    """The origin of a value in an environment variable."""
    return f"environment variable {name}"


def metaflow_setting(name: str) -> Setting:
    """A setting of Metaflow, by its name without METAFLOW_."""
    value = getattr(configuration, name, None)
    given = _given(name)
    if given is None:
        return Setting(value, _derived(name, value) or DEFAULT)
    # An extension may override the user's value.
    same = isinstance(value, (dict, list, bool)) or str(value) == str(given.value)
    return Setting(value, given.origin if same else EXTENSION)


def _given(name: str) -> Optional[Setting]:
    """The user's value, in Metaflow's order of precedence; None if not set."""
    full = f"METAFLOW_{name}"
    if full in os.environ:
        return Setting(os.environ[full], variable(full))
    for source, path in (
        (getattr(configuration_sources, "METAFLOW_LOCAL_CONFIG", None), _local_config_file()),
        (configuration_sources.METAFLOW_CONFIG, config_file()),
    ):
        if source and full in source:
            return Setting(source[full], f"{full} in {path}")
    return None


def config_file() -> str:
    """The file of Metaflow's configuration, whether it exists or not."""
    profile = os.environ.get("METAFLOW_PROFILE")
    name = f"config_{profile}.json" if profile else "config.json"
    return os.path.expanduser(os.path.join(os.environ.get("METAFLOW_HOME", "~/.metaflowconfig"), name))


def _local_config_file() -> str:
    """The file of a project's own configuration."""
    folder = getattr(configuration, "DATASTORE_LOCAL_DIR", ".metaflow")
    return os.path.join(folder, getattr(configuration, "LOCAL_CONFIG_FILE", "config.json"))


def _derived(name: str, value: Any) -> Optional[str]:
    if name == "DATATOOLS_S3ROOT" and value:
        above = metaflow_setting("DATASTORE_SYSROOT_S3")
        if above.value and str(value).startswith(str(above.value)):
            return f"below DATASTORE_SYSROOT_S3, {above.origin}"
        return EXTENSION
    return EXTENSION if value and name == "DATASTORE_SYSROOT_S3" else None


def variables_with(value: Any) -> str:
    """The environment variables that boto3 or Metaflow reads and that have this value; "" without any."""
    names = [
        name
        for name, text in sorted(os.environ.items())
        if (name.startswith("METAFLOW_") or is_read_by_boto3(name)) and without_password(text) == value
    ]
    return f"environment variable{'s' if names[1:] else ''} {', '.join(names)}" if names else ""

"""The origins of settings: an environment variable, a file, a parameter, or a default.

Metaflow's settings are read from the sources that Metaflow uses. boto3 does not report the origin of a setting, so the
values of the client are compared with the environment, the profile and the client's parameters.
"""

import os
from collections.abc import Iterable
from typing import Any, NamedTuple, Optional

import metaflow.metaflow_config as configuration
import metaflow.metaflow_config_funcs as configuration_sources

DEFAULT = "default"
EXTENSION = "a Metaflow extension"
CLIENT_PROVIDER = "the client provider"
CLIENT_PARAMS = "DATATOOLS_CLIENT_PARAMS"


class Setting(NamedTuple):
    """A value and its origin."""

    value: Any
    origin: str


def variable(name: str) -> str:
    """The origin of a value in an environment variable."""
    return f"environment variable {name}"


def environment(*names: str) -> "list[Setting]":
    """The environment variables among these that are set."""
    return [Setting(os.environ[name], variable(name)) for name in names if os.environ.get(name)]


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


def client_parameter(name: str) -> "list[Setting]":
    """A parameter of Metaflow's boto3 clients, if it is given."""
    given = configuration.DATATOOLS_CLIENT_PARAMS or {}
    if given.get(name) is None:
        return []
    # Metaflow adds two of its settings to the parameters.
    own = {"endpoint_url": "S3_ENDPOINT_URL", "verify": "S3_VERIFY_CERTIFICATE"}.get(name)
    if own and getattr(configuration, own, None) == given[name]:
        return [metaflow_setting(own)]
    source = _given(CLIENT_PARAMS)
    return [Setting(given[name], f"{name} in {source.origin if source else EXTENSION}")]


def config_parameter(name: str) -> "list[Setting]":
    """An option of the botocore Config among the client's parameters, if it is given."""
    for config in client_parameter("config"):
        value = config.value.get(name) if isinstance(config.value, dict) else getattr(config.value, name, None)
        if value is not None:
            return [Setting(value, config.origin)]
    return []


def profile_setting(session: Any) -> Setting:
    """The profile that boto3 uses; None if none is chosen."""
    return origin_of(session.profile, environment("AWS_DEFAULT_PROFILE", "AWS_PROFILE"))


def in_profile(session: Any, name: str) -> "list[Setting]":
    """A setting of the profile, if it is there."""
    value = session.get_scoped_config().get(name)
    return [] if value is None else [Setting(value, f"{name} of profile {session.profile or 'default'!r}")]


def endpoints(session: Any) -> "list[Setting]":
    """The endpoint URLs for S3 that are configured, in botocore's order."""
    services = session.get_scoped_config().get("services")
    options = session.full_config.get("services", {}).get(services, {}).get("s3", {})
    service = options.get("endpoint_url") if isinstance(options, dict) else None
    return [
        *client_parameter("endpoint_url"),
        *environment("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
        *([Setting(service, f"endpoint_url for s3 in services {services!r}")] if service else []),
        *in_profile(session, "endpoint_url"),
    ]


def regions(session: Any) -> "list[Setting]":
    """The regions that are configured, in botocore's order."""
    return [
        *client_parameter("region_name"),
        *config_parameter("region_name"),
        *environment("AWS_DEFAULT_REGION"),
        *in_profile(session, "region"),
    ]


def certificates(session: Any) -> "list[Setting]":
    """The bundles of certificates that are configured, or False for none, in botocore's order."""
    return [
        *client_parameter("verify"),
        *environment("AWS_CA_BUNDLE"),
        *in_profile(session, "ca_bundle"),
        *environment("REQUESTS_CA_BUNDLE"),
    ]


def addressing_styles(session: Any) -> "list[Setting]":
    """The addressing styles that are configured, in botocore's order."""
    found = [*config_parameter("s3"), *in_profile(session, "s3")]
    return [
        Setting(one.value["addressing_style"], one.origin)
        for one in found
        if isinstance(one.value, dict) and "addressing_style" in one.value
    ]


def origin_of(value: Any, configured: Iterable[Setting]) -> Setting:
    """A value of the client with its origin: the first setting with this value, else the provider of the client."""
    if value is None:
        return Setting(None, DEFAULT)
    return next((one for one in configured if one.value == value), Setting(value, CLIENT_PROVIDER))


def proxy_variable(scheme: str) -> Optional[str]:
    """The environment variable that names the proxy for a scheme, if one does."""
    names = (f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY")
    return next((name for name in names if os.environ.get(name)), None)

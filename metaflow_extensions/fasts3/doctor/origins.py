"""Where a setting comes from: an environment variable, a file, a parameter, or nobody chose it.

Metaflow's settings are looked for where Metaflow looks for them, boto3's by asking the chain of providers that botocore
itself has made. The first that has a value is the origin.
"""

import json
import os
from collections.abc import Iterator
from typing import Any, NamedTuple, Optional

import metaflow.metaflow_config as configuration
import metaflow.metaflow_config_funcs as configuration_sources

DEFAULT = "default"
EXTENSION = "a Metaflow extension"
CLIENT_PARAMS = "DATATOOLS_CLIENT_PARAMS"


class Setting(NamedTuple):
    """A value and where it comes from."""

    value: Any
    origin: str


def variable(name: str) -> str:
    """An environment variable, in words."""
    return f"environment variable {name}"


# --- Metaflow


def metaflow_setting(name: str) -> Setting:
    """A setting of Metaflow.

    Parameters
    ----------
    name : str
        Without METAFLOW_.
    """
    value = getattr(configuration, name, None)
    given = raw_metaflow_setting(name)
    if given is None:
        derived = _derived(name, value)
        return Setting(value, derived or DEFAULT)
    # An extension of Metaflow's configuration has the last word.
    same = isinstance(value, (dict, list, bool)) or str(value) == str(given.value)
    return Setting(value, given.origin if same else EXTENSION)


def raw_metaflow_setting(name: str) -> Optional[Setting]:
    """What somebody has set, as it is written there; None where nobody has. In Metaflow's own order."""
    full = f"METAFLOW_{name}"
    if full in os.environ:
        return Setting(os.environ[full], variable(full))
    for source, path in (
        (getattr(configuration_sources, "METAFLOW_LOCAL_CONFIG", None), local_config_file()),
        (configuration_sources.METAFLOW_CONFIG, config_file()),
    ):
        if source and full in source:
            return Setting(source[full], f"{full} in {path}")
    return None


def config_file() -> str:
    """The file of Metaflow's configuration, whether it is there or not."""
    profile = os.environ.get("METAFLOW_PROFILE")
    name = f"config_{profile}.json" if profile else "config.json"
    return os.path.expanduser(os.path.join(os.environ.get("METAFLOW_HOME", "~/.metaflowconfig"), name))


def local_config_file() -> str:
    """The file of a project's own configuration, as its users know it."""
    folder = getattr(configuration, "DATASTORE_LOCAL_DIR", ".metaflow")
    return os.path.join(folder, getattr(configuration, "LOCAL_CONFIG_FILE", "config.json"))


def _derived(name: str, value: Any) -> Optional[str]:
    if name == "DATATOOLS_S3ROOT" and value:
        above = metaflow_setting("DATASTORE_SYSROOT_S3")
        if above.value and str(value).startswith(str(above.value)):
            return f"below DATASTORE_SYSROOT_S3, {above.origin}"
        return EXTENSION
    return EXTENSION if value and name == "DATASTORE_SYSROOT_S3" else None


def client_parameter(name: str) -> Optional[Setting]:
    """A parameter that Metaflow gives boto3's client for `S3`; None where it gives none."""
    given = configuration.DATATOOLS_CLIENT_PARAMS or {}
    if name not in given:
        return None
    raw = raw_metaflow_setting(CLIENT_PARAMS)
    # Metaflow puts these two of its own settings among the parameters.
    own = {"endpoint_url": "S3_ENDPOINT_URL", "verify": "S3_VERIFY_CERTIFICATE"}.get(name)
    if own and getattr(configuration, own, None) == given[name] and not (raw and _holds(raw.value, name, given[name])):
        return Setting(given[name], metaflow_setting(own).origin)
    return Setting(given[name], f"{name} in {raw.origin if raw else EXTENSION}")


def _holds(raw: Any, name: str, value: Any) -> bool:
    try:
        parameters = json.loads(raw) if isinstance(raw, str) else raw
    except ValueError:
        return False
    return isinstance(parameters, dict) and parameters.get(name) == value


# --- boto3


def boto_setting(session: Any, name: str) -> Setting:
    """A setting of boto3, by botocore's own chain of providers.

    Parameters
    ----------
    session : botocore.session.Session
    name : str
        botocore's name for it: "region", "profile", "ca_bundle" and others, or "s3.addressing_style".
    """
    store = session.get_component("config_store")
    section, _, inner = name.rpartition(".")
    provider = store.get_config_provider(section or name)
    if section:
        provider = provider._override_providers.get(inner)
        scoped = (session.get_scoped_config().get(section) or {}) if provider is None else {}
        if inner in scoped:
            return Setting(scoped[inner], in_profile(session, inner, section))
    found = next(_provided(session, provider), Setting(None, DEFAULT))
    convert = getattr(provider, "_convert_type", None)  # "false" is true, before
    return found._replace(value=convert(found.value)) if convert and found.value is not None else found


def _provided(session: Any, provider: Any) -> Iterator[Setting]:
    """What each provider of a chain gives, in order, if anything."""
    for one in getattr(provider, "_providers", [provider]):
        value = None if one is None else one.provide()
        if value is None:
            continue
        kind = type(one).__name__
        if kind == "EnvironmentProvider":
            yield Setting(value, variable(one._name))
        elif kind == "ScopedConfigProvider":
            path = one._config_var_name
            section, inner = path if isinstance(path, tuple) else ("", path)
            yield Setting(value, in_profile(session, inner, section))
        elif kind == "InstanceVarProvider":
            yield Setting(value, "the session")
        else:
            yield Setting(value, DEFAULT)


def in_profile(session: Any, name: str, section: str = "") -> str:
    """Where a setting of the current profile stands, in words."""
    profile = session.get_config_variable("profile") or "default"
    path = profile_file(session, profile, section or name)
    return f"{f'{section}.' if section else ''}{name} of profile {profile!r} in {path}"


def profile_file(session: Any, profile: str, name: str) -> str:
    """Which of boto3's two files has a setting of a profile. Where both have, that of credentials counts."""
    from botocore.configloader import raw_config_parse
    from botocore.exceptions import BotoCoreError

    path = os.path.expanduser(str(session.get_config_variable("credentials_file")))
    try:
        if name in raw_config_parse(path).get(profile, {}):
            return path
    except BotoCoreError:
        pass
    return os.path.expanduser(str(session.get_config_variable("config_file")))


def endpoint_setting(session: Any) -> Setting:
    """The endpoint URL of S3, if anybody chose one. botocore's order: parameter, environment, profile."""
    given = client_parameter("endpoint_url")
    if given:
        return given
    from botocore.configprovider import ConfiguredEndpointProvider

    name = "ignore_configured_endpoint_urls"
    ignored = config_option(name) or boto_setting(session, name)
    if ignored.value:
        return Setting(None, f"{DEFAULT}; others are ignored by {ignored.origin}")
    provider: Any = ConfiguredEndpointProvider(session.full_config, session.get_scoped_config(), "s3")
    services = session.get_scoped_config().get("services")
    words = {
        "environment_service": variable(provider._get_service_env_var_name()),
        "environment_global": variable("AWS_ENDPOINT_URL"),
        "config_service": f"endpoint_url for s3 in services {services!r} of {in_profile(session, 'services')}",
        "config_global": in_profile(session, "endpoint_url"),
    }
    for place in provider._ENDPOINT_URL_LOOKUP_ORDER:
        url = getattr(provider, f"_get_endpoint_url_{place}")()
        if url:
            return Setting(url, words.get(place, place))
    return Setting(None, DEFAULT)


def verify_setting(session: Any) -> Setting:
    """Whether servers are verified, and by whose certificates: False, a path, or None for botocore's own."""
    given = client_parameter("verify")
    if given and given.value is not None:
        return given
    bundle = boto_setting(session, "ca_bundle")
    if bundle.value is not None:
        return bundle
    if "REQUESTS_CA_BUNDLE" in os.environ:
        return Setting(os.environ["REQUESTS_CA_BUNDLE"], variable("REQUESTS_CA_BUNDLE"))
    return Setting(None, DEFAULT)


def region_setting(session: Any) -> Setting:
    """The region that the client is made for."""
    return client_parameter("region_name") or config_option("region_name") or boto_setting(session, "region")


def addressing_setting(session: Any) -> Setting:
    """Whether the bucket is to stand in the host ("virtual") or in the path; "auto" or None: botocore decides."""
    chosen = config_option("s3")
    style = (chosen.value or {}).get("addressing_style") if chosen else None
    if chosen and style:
        return Setting(style, chosen.origin)
    return boto_setting(session, "s3.addressing_style")


def config_option(name: str) -> Optional[Setting]:
    """An option of the botocore Config among client_params, a dictionary where it comes from Metaflow's settings."""
    config = client_parameter("config")
    if config is None:
        return None
    options = config.value if isinstance(config.value, dict) else getattr(config.value, "_user_provided_options", {})
    return Setting(options[name], config.origin.replace("config in", f"config.{name} in")) if name in options else None


def proxy_variable(scheme: str) -> Optional[str]:
    """The environment variable that names the proxy for a scheme; None where none does."""
    names = (f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY")
    return next((name for name in names if os.environ.get(name)), None)

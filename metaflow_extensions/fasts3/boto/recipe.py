"""A boto3 client as plain values, from which a worker, or this process without retries, creates the same client.

`recipe_of` reads from a client everything that determines where and how it sends its requests, whether Metaflow, a
company's provider or the user created it. `build` creates the same client, without reading this machine's environment,
profiles or metadata services.
"""

import json
import os
import time
from typing import Any, Callable, NamedTuple, Optional, Union

import botocore.session
from botocore import UNSIGNED
from botocore.config import Config
from botocore.credentials import CredentialProvider, CredentialResolver, Credentials, ReadOnlyCredentials
from botocore.exceptions import NoCredentialsError

from metaflow_extensions.fasts3.boto import events
from metaflow_extensions.fasts3.boto.botocore_private import (
    endpoint_given_to,
    foreign_handlers,
    proxies_of,
    signature_chosen_for,
    verify_of,
)
from metaflow_extensions.fasts3.boto.calls import note_signature
from metaflow_extensions.fasts3.boto.regions import regions_at
from metaflow_extensions.fasts3.wire.credentials import CredentialSet

# Options that `build` sets otherwise (region_name), that belong to one process (user_agent, max_pool_connections), or
# that this package's own policy replaces (retries).
NOT_COPIED = {"region_name", "signature_version", "user_agent", "max_pool_connections", "retries"}
ONE_TRY: Any = {"total_max_attempts": 1, "mode": "standard"}


class ClientRecipe(NamedTuple):
    """Everything that determines where and how a client sends its requests, without secrets, in JSON's types."""

    region: Optional[str]
    endpoint_url: Optional[str]  # given by the user; None: AWS's rules determine it
    use_ssl: bool  # for an endpoint that AWS's rules determine
    verify: Union[bool, str, None]  # False, a bundle's path, or the default
    anonymous: bool  # signature_version=UNSIGNED
    config: dict[str, Any]  # arguments of botocore.config.Config
    # Added by `TransferClient`; a client does not show them.
    requester_pays: bool = False
    regions: Optional[dict[str, str]] = None  # by bucket, of buckets in other regions


class NotPortable(Exception):
    """The reason why another process can't create the same client."""


def recipe_of(client: Any) -> ClientRecipe:
    """The recipe of a boto3 client.

    Raises NotPortable if none can represent the client: it is not botocore's, or has foreign event handlers.
    """
    try:
        foreign = next(foreign_handlers(client), None)
        if foreign is not None:
            raise NotPortable(f"it has an event handler from {foreign}")
        recipe = ClientRecipe(
            region=client.meta.region_name,
            endpoint_url=endpoint_given_to(client),
            use_ssl=client.meta.endpoint_url.startswith("https:"),
            verify=verify_of(client),
            anonymous=client.meta.config.signature_version is UNSIGNED,
            config=_options(client),
        )
        json.dumps(recipe)
    except (AttributeError, TypeError, ValueError, KeyError) as error:
        raise NotPortable(f"it is not a plain boto3 client ({type(error).__name__}: {error})") from error
    return recipe


def tries_once(client: Any) -> bool:
    """Whether a client makes no retries of its own."""
    retries = getattr(getattr(client.meta, "config", None), "retries", None) or {}
    return bool(retries.get("total_max_attempts") == 1 or retries.get("max_attempts") == 0)


def _options(client: Any) -> dict[str, Any]:
    config = client.meta.config
    options = {
        name: getattr(config, name)
        for name in Config.OPTION_DEFAULTS
        if name not in NOT_COPIED and getattr(config, name, None) is not None
    }
    # Passed on only if the user chose it: it would override the endpoint's rules.
    chosen = signature_chosen_for(client)
    if chosen:
        options["signature_version"] = chosen
    options["retries"] = ONE_TRY
    # Their values when the client was created: the environment, here or in a worker, may differ.
    options["proxies"] = proxies_of(client)
    return options


class GivenCredentials(Credentials):
    """Credentials from a function, which returns them or None: each request is signed with the current ones."""

    def __init__(self, current: Callable[[], Optional[CredentialSet]]) -> None:
        super().__init__("", "", method="metaflow-fasts3")
        self.__current = current

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """The credentials for one request; raises TransferError with the code EXPIRED if they have expired."""
        current = self.__current()
        if current is None:
            raise NoCredentialsError
        note_signature(current.generation)
        current.check(time.time())
        return ReadOnlyCredentials(current.access_key, current.secret_key, current.token)


class _Given(CredentialProvider):
    """The provider of these credentials for a session."""

    METHOD = "metaflow-fasts3"

    def __init__(self, credentials: GivenCredentials) -> None:
        super().__init__()
        self._credentials = credentials

    def load(self) -> GivenCredentials:
        return self._credentials


# The settings that a worker's session must not look up: (config file name, environment variable, default, conversion).
_NOTHING_CONFIGURED = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}


def build(recipe: ClientRecipe, credentials: Optional[GivenCredentials], connections: int) -> Any:
    """Create the boto3 client of a recipe.

    Without credentials, it is for anonymous requests; others fail. `connections` is their maximum number: one for each
    thread that uses the client.
    """
    session: Any = botocore.session.Session(session_vars=_NOTHING_CONFIGURED)
    # The only provider; otherwise the session would look for credentials on this machine.
    session.register_component("credential_provider", CredentialResolver([_Given(credentials)] if credentials else []))
    options = dict(recipe.config, max_pool_connections=connections, ignore_configured_endpoint_urls=True)
    if recipe.anonymous:
        options["signature_version"] = UNSIGNED
    client = session.create_client(
        "s3",
        region_name=recipe.region,
        endpoint_url=recipe.endpoint_url,
        use_ssl=recipe.use_ssl,
        verify=recipe.verify,
        config=Config(**options),
    )
    regions_at(client.meta.endpoint_url).update(recipe.regions or {})
    events.tune(client, recipe.requester_pays)
    return client

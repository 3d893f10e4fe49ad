"""A boto3 client made from values alone, as a worker needs it.

The user's process reads a `ClientRecipe` off the client that Metaflow made (`control/recipe.py`); here the same client
is made again, without asking this machine's environment, profiles or metadata services anything.
"""

import os
from typing import Any, NamedTuple, Optional, Union

import botocore.session
from botocore import UNSIGNED
from botocore.config import Config
from botocore.credentials import CredentialResolver, Credentials, ReadOnlyCredentials

from metaflow_extensions.fasts3.reference.tuning import tune
from metaflow_extensions.fasts3.wire.credentials import CredentialSet


class ClientRecipe(NamedTuple):
    """All that decides where and how a client sends its requests, but no secret. Made of JSON's types."""

    region: Optional[str]
    endpoint_url: Optional[str]  # as given by the user; None: AWS's own rules decide
    use_ssl: bool  # where AWS's own rules decide
    verify: Union[bool, str, None]  # False, a bundle's path, or the default
    anonymous: bool  # signature_version=UNSIGNED
    config: dict[str, Any]  # arguments of botocore.config.Config


class CurrentCredentials(Credentials):
    """Credentials that somebody else refreshes: whoever signs takes the set that was given last."""

    def __init__(self, current: CredentialSet) -> None:
        super().__init__(*current, method="metaflow-fasts3")

    def replace(self, current: CredentialSet) -> None:
        """Sign with another set from now on."""
        # One assignment, so that a thread that signs meanwhile sees the old set or the new one, never a mixture.
        self.__dict__["_frozen"] = ReadOnlyCredentials(*current)

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """The set to sign one request with."""
        return self.__dict__.get("_frozen") or super().get_frozen_credentials()


# What a worker's session must not look up by itself: (config file name, environment variable, default, conversion).
_NOTHING_CONFIGURED = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}


def build(recipe: ClientRecipe, credentials: Optional[CurrentCredentials], connections: int) -> Any:
    """Make the boto3 client that a recipe describes.

    Parameters
    ----------
    recipe : ClientRecipe
    credentials : CurrentCredentials or None
        None signs nothing where the recipe says anonymous, and fails at the first request otherwise.
    connections : int
        How many the client keeps alive: as many as there are threads that use it.

    Returns
    -------
    botocore.client.S3
    """
    session: Any = botocore.session.Session(session_vars=_NOTHING_CONFIGURED)
    # Set by hand, and with nobody else to ask, or the session would look for credentials on this machine.
    session._credentials = credentials
    session.register_component("credential_provider", CredentialResolver([]))
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
    tune(client)
    return client

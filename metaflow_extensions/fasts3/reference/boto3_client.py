"""A boto3 client made from values alone, as a worker needs it.

The user's process reads a `ClientRecipe` off the client that Metaflow made (`control/recipe.py`); here the same client
is made again, without asking this machine's environment, profiles or metadata services anything.
"""

import os
import threading
import time
from typing import Any, Callable, NamedTuple, Optional, Union

import botocore.session
from botocore import UNSIGNED
from botocore.config import Config
from botocore.credentials import CredentialResolver, Credentials, ReadOnlyCredentials
from botocore.exceptions import NoCredentialsError

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


_signed = threading.local()  # requests are signed in the thread that makes them


def forget_signature() -> None:
    """A request begins in this thread."""
    _signed.generation = 0


def signed_as() -> int:
    """The generation of the set that the request of this thread was signed with; 0 where it was not one of ours."""
    generation: int = getattr(_signed, "generation", 0)
    return generation


class GivenCredentials(Credentials):
    """Credentials that somebody else keeps: each request is signed with the set of that moment.

    Parameters
    ----------
    current : callable
        Gives the set, or None.
    """

    def __init__(self, current: Callable[[], Optional[CredentialSet]]) -> None:
        super().__init__("", "", method="metaflow-fasts3")
        self.__current = current

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """The set to sign one request with.

        Raises
        ------
        TransferError
            EXPIRED, so that nothing is signed with what has expired.
        """
        current = self.__current()
        if current is None:
            raise NoCredentialsError
        _signed.generation = current.generation
        current.check(time.time())
        return ReadOnlyCredentials(current.access_key, current.secret_key, current.token)


# What a worker's session must not look up by itself: (config file name, environment variable, default, conversion).
_NOTHING_CONFIGURED = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}


def build(recipe: ClientRecipe, credentials: Optional[GivenCredentials], connections: int) -> Any:
    """Make the boto3 client that a recipe describes.

    Parameters
    ----------
    recipe : ClientRecipe
    credentials : GivenCredentials or None
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

"""Reads off a live boto3 client all that decides where and how it sends its requests.

Whoever made the client (Metaflow, a company's provider, the user), with whatever settings: what came out of them is
what counts. The private attributes of botocore that this needs are all named in this one file.
"""

import json
from collections.abc import Iterator
from typing import Any, Optional

from botocore import UNSIGNED
from botocore.config import Config

from metaflow_extensions.fasts3.reference.boto3_client import ClientRecipe

# Options that are given otherwise (region_name), that belong to one process (user_agent, max_pool_connections), or
# that are not ours to copy: tries are counted by our own policy.
NOT_COPIED = {"region_name", "signature_version", "user_agent", "max_pool_connections", "retries"}
KNOWN_HANDLERS = {"botocore", "boto3", "s3transfer", "metaflow_extensions"}  # the last: our own `tune`
ONE_TRY = {"total_max_attempts": 1, "mode": "standard"}
SDK_ENDPOINT = "SDK::Endpoint"  # botocore.regions.EndpointResolverBuiltins.SDK_ENDPOINT


class NotPortable(Exception):
    """Why a client can't be made again elsewhere."""


def recipe_of(client: Any) -> ClientRecipe:
    """The recipe of a client.

    Parameters
    ----------
    client : botocore.client.S3

    Returns
    -------
    ClientRecipe

    Raises
    ------
    NotPortable
        The client does what a recipe can't tell: it is not botocore's, or somebody has hooked into it.
    """
    try:
        foreign = next(_foreign_handlers(client), None)
        if foreign is not None:
            raise NotPortable(f"{foreign} has hooked into its events")
        recipe = ClientRecipe(
            region=client.meta.region_name,
            endpoint_url=_given_endpoint(client),
            use_ssl=client.meta.endpoint_url.startswith("https:"),
            verify=client._endpoint.http_session._verify,
            anonymous=client._request_signer.signature_version is UNSIGNED,
            config=_options(client),
        )
        json.dumps(recipe)
    except (AttributeError, TypeError, ValueError, KeyError) as error:
        raise NotPortable(f"it is not a plain boto3 client ({type(error).__name__}: {error})") from error
    return recipe


def credentials_of(client: Any) -> Any:
    """The botocore credentials that a client signs with, refreshing ones perhaps; None where it has none."""
    return getattr(getattr(client, "_request_signer", None), "_credentials", None)


def tries_once(client: Any) -> bool:
    """Whether a client leaves all retries to us."""
    retries = getattr(getattr(client.meta, "config", None), "retries", None) or {}
    return bool(retries.get("total_max_attempts") == 1 or retries.get("max_attempts") == 0)


def _given_endpoint(client: Any) -> Optional[str]:
    """The endpoint URL that the user gave; AWS's own must be found again by the worker, per bucket and ARN."""
    resolver = client._ruleset_resolver
    given = resolver._builtins.get(SDK_ENDPOINT)
    return None if given is None else str(given)


def _options(client: Any) -> dict[str, Any]:
    config = client.meta.config
    options = {
        name: getattr(config, name)
        for name in Config.OPTION_DEFAULTS
        if name not in NOT_COPIED and getattr(config, name, None) is not None
    }
    # Passed on only where the user chose it: given, it overrides what an endpoint's rules ask for.
    chosen = client._ruleset_resolver._requested_auth_scheme
    if isinstance(chosen, str):
        options["signature_version"] = chosen
    options["retries"] = ONE_TRY
    # As they were when the client was made: neither a worker, which is older, nor this process may look for others now.
    options["proxies"] = client._endpoint.http_session._proxy_config._proxies
    return options


def _foreign_handlers(client: Any) -> Iterator[str]:
    """Event handlers that neither botocore nor boto3 nor we registered: a stubber, moto, a tracer, the user."""
    emitter = client.meta.events
    emitter = getattr(emitter, "_emitter", emitter)
    todo = [emitter._handlers._root]
    while todo:
        node = todo.pop()
        todo.extend(node["children"].values())
        for handlers in node["values"] or ():  # those to be called first, in between, and last
            for handler in handlers:
                function = getattr(handler, "func", handler)  # functools.partial
                module = getattr(function, "__module__", None) or type(function).__module__
                if module.split(".")[0] not in KNOWN_HANDLERS:
                    yield f"{module}.{getattr(function, '__qualname__', type(function).__qualname__)}"

"""The private names of botocore that this package uses: what botocore keeps and has no public name for.

A client that lacks one of these raises AttributeError; then it is used as it is, in the user's process
(`recipe.NotPortable`).
"""

from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any, Optional

_OURS = {"botocore", "boto3", "s3transfer", "metaflow_extensions"}
_SDK_ENDPOINT = "SDK::Endpoint"  # botocore.regions.EndpointResolverBuiltins.SDK_ENDPOINT


def credentials_of(client: Any) -> Any:
    """The botocore credentials that a client signs with; None without any. Workers sign with the same ones."""
    return getattr(getattr(client, "_request_signer", None), "_credentials", None)


def sign_with(client: Any, credentials: Any) -> None:
    """Have a client sign with other credentials. Building another client takes ten times as long."""
    client._request_signer._credentials = credentials


def verify_of(client: Any) -> Any:
    """The argument `verify` of a client, or what the configuration says instead: False, a bundle's path, or True."""
    return client._endpoint.http_session._verify


def proxies_of(client: Any) -> Any:
    """The proxies that a client uses, by scheme: the environment may have others by now."""
    return client._endpoint.http_session._proxy_config._proxies


def endpoint_given_to(client: Any) -> Optional[str]:
    """The endpoint URL that the user gave; None where AWS's rules find one for each bucket and ARN."""
    given = client._ruleset_resolver._builtins.get(_SDK_ENDPOINT)
    return None if given is None else str(given)


def signature_chosen_for(client: Any) -> Optional[str]:
    """The signature version that the user chose; `meta.config` has one in any case."""
    chosen = client._ruleset_resolver._requested_auth_scheme
    return chosen if isinstance(chosen, str) else None


def foreign_handlers(client: Any) -> Iterator[str]:
    """Event handlers that neither botocore nor boto3 nor we registered: a stubber, moto, a tracer, the user."""
    emitter = client.meta.events
    todo = [getattr(emitter, "_emitter", emitter)._handlers._root]
    while todo:
        node = todo.pop()
        todo.extend(node["children"].values())
        for handlers in node["values"] or ():  # those to be called first, in between, and last
            for handler in handlers:
                function = getattr(handler, "func", handler)  # functools.partial
                module = getattr(function, "__module__", None) or type(function).__module__
                if module.split(".")[0] not in _OURS:
                    yield f"{module}.{getattr(function, '__qualname__', type(function).__qualname__)}"


def expiry_of(credentials: Any) -> Optional[float]:
    """Unix time when refreshing credentials expire; None for others. They are refreshed before that, once."""
    expiry = getattr(credentials, "_expiry_time", None)
    return expiry.timestamp() if isinstance(expiry, datetime) else None


def expire(credentials: Any) -> None:
    """Have refreshing credentials asked of their provider again: S3 has refused them, before their time."""
    credentials._expiry_time = datetime.now(timezone.utc)


def keys_in(credentials: Any) -> "list[Any]":
    """Access key id, secret key and token as they are now. The public names would refresh refreshing credentials."""
    fields = getattr(credentials, "__dict__", {})
    return [fields.get(f"_{name}") or fields.get(name) for name in ("access_key", "secret_key", "token")]


def profile_of(provider: Any) -> Optional[str]:
    """The profile that a credential provider reads, for messages; None for the default one."""
    name = getattr(provider, "_profile_name", None)
    return name if name and name != "default" else None

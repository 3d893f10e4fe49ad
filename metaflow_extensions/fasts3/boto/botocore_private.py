"""The private names of botocore that this package uses, for values without a public name.

A client that lacks one of these raises AttributeError; this package then uses it unchanged, in the user's process
(`recipe.NotPortable`).
"""

from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any, Optional

_OURS = {"botocore", "boto3", "s3transfer", "metaflow_extensions"}
_SDK_ENDPOINT = "SDK::Endpoint"  # botocore.regions.EndpointResolverBuiltins.SDK_ENDPOINT


def credentials_of(client: Any) -> Any:
    """The botocore credentials of a client, which workers use, too; None without any."""
    return getattr(getattr(client, "_request_signer", None), "_credentials", None)


def sign_with(client: Any, credentials: Any) -> None:
    """Replace the credentials of a client. Creating another client takes ten times as long."""
    client._request_signer._credentials = credentials


def verify_of(client: Any) -> Any:
    """The argument `verify` of a client, or its configured value: False, the path of a bundle, or True."""
    return client._endpoint.http_session._verify


def proxies_of(client: Any) -> Any:
    """The proxies of a client, by scheme; those in the environment may have changed since."""
    return client._endpoint.http_session._proxy_config._proxies


def endpoint_given_to(client: Any) -> Optional[str]:
    """The endpoint URL that the user configured; None if AWS's rules determine it for each bucket and ARN."""
    given = client._ruleset_resolver._builtins.get(_SDK_ENDPOINT)
    return None if given is None else str(given)


def signature_chosen_for(client: Any) -> Optional[str]:
    """The signature version that the user chose; `meta.config` always has one."""
    chosen = client._ruleset_resolver._requested_auth_scheme
    return chosen if isinstance(chosen, str) else None


def do_not_redirect(request: "dict[str, Any]") -> None:
    """Keep botocore from following a redirect of a request: it notes here that it has followed one."""
    request["context"].setdefault("s3_redirect", {})["redirected"] = True


def foreign_handlers(client: Any) -> Iterator[str]:
    """Event handlers from outside botocore, boto3 and this package: a stubber, moto, a tracer, the user."""
    emitter = client.meta.events
    todo = [getattr(emitter, "_emitter", emitter)._handlers._root]
    while todo:
        node = todo.pop()
        todo.extend(node["children"].values())
        for handlers in node["values"] or ():  # the first, middle and last handlers
            for handler in handlers:
                function = getattr(handler, "func", handler)  # functools.partial
                module = getattr(function, "__module__", None) or type(function).__module__
                if module == "botocore.stub" or module.split(".")[0] not in _OURS:
                    yield f"{module}.{getattr(function, '__qualname__', type(function).__qualname__)}"


def expiry_of(credentials: Any) -> Optional[float]:
    """Unix time when refreshable credentials expire, refreshed once if due; None for others."""
    expiry = getattr(credentials, "_expiry_time", None)
    return expiry.timestamp() if isinstance(expiry, datetime) else None


def expire(credentials: Any) -> None:
    """Mark refreshable credentials as expired, because S3 refused them early; the next use calls their provider."""
    credentials._expiry_time = datetime.now(timezone.utc)


def keys_in(credentials: Any) -> "list[Any]":
    """The current access key id, secret key and token; the public names would refresh refreshable credentials."""
    fields = getattr(credentials, "__dict__", {})
    return [fields.get(f"_{name}") or fields.get(name) for name in ("access_key", "secret_key", "token")]


def profile_of(provider: Any) -> Optional[str]:
    """The profile that a credential provider reads, for messages; None for the default one."""
    name = getattr(provider, "_profile_name", None)
    return name if name and name != "default" else None

"""Event handlers of ours on a boto3 client, for what botocore has no setting for."""

from typing import Any, Callable


def hook(client: Any, event: str, handler: Callable[..., Any], first: bool = False) -> None:
    """Have botocore call a handler at an event of a client, once however often this is asked for.

    Parameters
    ----------
    client : botocore.client.S3
        Perhaps the user's own, so a handler must leave calls alone that are not ours. A stand-in may have no events.
    event : str
        botocore's name for it.
    handler : callable
    first : bool
        Before botocore's own handlers.
    """
    events = getattr(client.meta, "events", None)
    if events is not None:
        register = events.register_first if first else events.register
        register(event, handler, unique_id=f"{handler.__module__}-{event}")

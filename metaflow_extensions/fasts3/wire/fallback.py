"""Uses our own wire, and boto3 for buckets that it can't handle; keeps the reason per bucket."""

import threading
from typing import Any, Callable, Optional

from metaflow_extensions.fasts3.wire.log import log
from metaflow_extensions.fasts3.wire.operations import BY_TRANSFER
from metaflow_extensions.fasts3.wire.template import NoTemplate
from metaflow_extensions.fasts3.wire.transfers import Transfers
from metaflow_extensions.fasts3.wire.waiting import InThread, wait_for


class WithFallback:
    """`Transfers` as coroutines, run by the first implementation that can. Threads share it.

    Parameters
    ----------
    first : WireTransfers
        Raises `NoTemplate` for requests that it can't send.
    second : callable
        Creates the second implementation, whose methods block, on first use.

    Attributes
    ----------
    reasons : dict of str to str
        Buckets that use the second implementation, and why.
    """

    def __init__(self, first: Any, second: Callable[[], Transfers]) -> None:
        self._first = first
        self._make_second = second
        self._second: Optional[Transfers] = None
        self._lock = threading.Lock()
        self.reasons: dict[str, str] = {}

    def __getattr__(self, name: str) -> "Callable[..., Any]":
        if name not in BY_TRANSFER:
            raise AttributeError(name)

        first = getattr(self._first, name)

        async def method(bucket: str, *args: Any, **kwargs: Any) -> Any:
            reason = self.reasons.get(bucket)
            if reason is None:
                try:
                    return await first(bucket, *args, **kwargs)
                except NoTemplate as error:
                    reason = str(error)
            return await self._use_second(reason, name, bucket, args, kwargs)

        setattr(self, name, method)
        return method

    async def _use_second(
        self, reason: str, name: str, bucket: str, args: "tuple[Any, ...]", kwargs: "dict[str, Any]"
    ) -> Any:
        result = await wait_for(InThread(lambda: getattr(self._second_transfers(), name)(bucket, *args, **kwargs)))
        if bucket not in self.reasons:  # only now: if boto3 fails too, the error concerns this request
            log.debug("using boto3 for bucket %s: %s", bucket, reason)
            self.reasons[bucket] = reason
        return result

    def _second_transfers(self) -> Transfers:
        with self._lock:
            if self._second is None:
                self._second = self._make_second()
            return self._second

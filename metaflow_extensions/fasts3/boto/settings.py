"""The settings of a call, read from Metaflow's configuration."""

import math
import os
from dataclasses import dataclass
from typing import NamedTuple, Optional

import metaflow.metaflow_config as configuration
from metaflow.exception import MetaflowException

from metaflow_extensions.fasts3.plans.pieces import PART_SIZE

METAFLOWS_WORKERS = 64  # Metaflow's default of S3_WORKER_COUNT, which counts processes, not connections


class Chosen(NamedTuple):
    """The user's limits of one `S3` object, which override the configuration."""

    max_connections: Optional[int] = None  # None: by the configuration
    max_bandwidth: Optional[float] = None  # bytes per second; None: unlimited
    part_size: int = PART_SIZE  # bytes of the ranges of downloads and of the parts of uploads


@dataclass(frozen=True)
class Settings:
    """Concurrency, bandwidth and retries of a call."""

    retries: int = 20  # attempts after the first; S3_RETRY_COUNT and S3_TRANSIENT_RETRY_COUNT
    outage_timeout: float = 300.0  # seconds; S3_OUTAGE_TIMEOUT
    # Maximum number of concurrent requests: `max_connections`, or S3_WORKER_COUNT if the user has set it.
    connections: int = 256
    bandwidth: Optional[float] = None  # maximum bytes of object data per second; `max_bandwidth`
    part_size: int = PART_SIZE
    transfers: str = "wire"  # or "boto3"; S3_TRANSFERS
    log_retries: bool = False  # print retries; S3_LOG_TRANSIENT_RETRIES

    @classmethod
    def read(cls, chosen: Chosen = Chosen()) -> "Settings":
        """Read the chosen limits and the current configuration (metaflow reads METAFLOW_* when it is imported)."""
        return cls(
            retries=_retries(int(_number("S3_RETRY_COUNT")), int(_number("S3_TRANSIENT_RETRY_COUNT"))),
            outage_timeout=_number("S3_OUTAGE_TIMEOUT", cls.outage_timeout),
            connections=chosen.max_connections or max(1, _connections()),
            bandwidth=chosen.max_bandwidth,
            part_size=chosen.part_size,
            transfers=_transfers(),
            log_retries=str(getattr(configuration, "S3_LOG_TRANSIENT_RETRIES", "")).lower() in ("1", "true", "yes"),
        )


def _number(name: str, default: float = 0.0) -> float:
    value = getattr(configuration, name, default)
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number < math.inf:
        raise MetaflowException(f"METAFLOW_{name} is {value!s:.80}; it must be a number that is not negative.")
    return number


def _retries(general: int, transient: int) -> int:
    """The larger of the two, as in Metaflow's own class; no retries if either is 0."""
    return max(general, transient) if min(general, transient) > 0 else 0


def _connections() -> int:
    count = int(_number("S3_WORKER_COUNT"))
    chosen = count != METAFLOWS_WORKERS or "METAFLOW_S3_WORKER_COUNT" in os.environ
    return count if chosen else Settings.connections


def _transfers() -> str:
    chosen = str(getattr(configuration, "S3_TRANSFERS", Settings.transfers))
    if chosen not in ("wire", "boto3"):
        raise MetaflowException(f"METAFLOW_S3_TRANSFERS is {chosen!r}; it must be 'wire' or 'boto3'.")
    return chosen

"""What a call of a public method carries: the same for all its jobs, in this process and in workers."""

from typing import TYPE_CHECKING, NamedTuple

from metaflow_extensions.fasts3.plans.jobs import Job, Outcome
from metaflow_extensions.fasts3.wire.blocking import Interruption
from metaflow_extensions.fasts3.workers.relocation import Relocation
from metaflow_extensions.fasts3.workers.renewal import Renewal
from metaflow_extensions.fasts3.workers.retries import Terms

if TYPE_CHECKING:  # a worker imports neither boto3 nor Metaflow
    from metaflow_extensions.fasts3.boto.settings import Settings
    from metaflow_extensions.fasts3.boto.transfer_client import TransferClient


class Call(NamedTuple):
    """One call.

    Attributes
    ----------
    client : TransferClient
    settings : Settings
    terms : Terms
        The settings that apply to each job, for one process that runs all jobs.
    renewal : Renewal
    relocation : Relocation
    interruption : Interruption
        Ends the call.
    """

    client: "TransferClient"
    settings: "Settings"
    terms: Terms
    renewal: Renewal
    relocation: Relocation
    interruption: Interruption

    def wants_again(self, job: Job, outcome: Outcome) -> bool:
        """Whether a job must run again: with new credentials, or in its bucket's region.

        Raises
        ------
        TransferError
            The credentials' provider fails.
        """
        return self.renewal.wants_again(job, outcome) or self.relocation.wants_again(job, outcome)

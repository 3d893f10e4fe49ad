"""Calls without a client, for tests of runners."""

from types import SimpleNamespace

from metaflow_extensions.fasts3.boto.settings import Settings
from metaflow_extensions.fasts3.workers.call import Call
from metaflow_extensions.fasts3.workers.relocation import Relocation
from metaflow_extensions.fasts3.workers.renewal import Renewal
from metaflow_extensions.fasts3.workers.retries import Terms


def call_on(transfers, interruption):
    """A call whose jobs run in this process on some transfers, without retries."""
    client = SimpleNamespace(transfers=lambda _: transfers)
    return Call(client, Settings(), Terms(0), Renewal(lambda _: False), Relocation(lambda *_: False), interruption)

"""Artifacts and a card, which go through `S3` too when the datastore is S3.

python artifacts_flow.py --datastore s3 run
python read_past_artifacts.py
"""

import hashlib
import random

from metaflow import FlowSpec, card, current, step
from metaflow.cards import Markdown

KB, MB = 2**10, 2**20


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class ArtifactsFlow(FlowSpec):
    """Hand artifacts of 1 KB to 50 MB from step to step."""

    @card
    @step
    def start(self):
        bytes_of = random.Random(1).randbytes
        self.tiny, self.small, self.medium, self.large = map(bytes_of, [KB, 100 * KB, 5 * MB, 50 * MB])
        self.table = {f"row {number}": number for number in range(1000)}
        self.digests = [sha256(data) for data in (self.tiny, self.small, self.medium, self.large)]
        current.card.append(Markdown(f"# The large artifact\n{len(self.large)} bytes, {self.digests[-1]}"))
        self.next(self.end)

    @step
    def end(self):
        assert [sha256(data) for data in (self.tiny, self.small, self.medium, self.large)] == self.digests
        assert self.table["row 999"] == 999
        print(f"Artifacts of {len(self.tiny)} to {len(self.large)} bytes are intact.")


if __name__ == "__main__":
    ArtifactsFlow()

"""Artifacts and the card of a past run, as in a notebook: the latest run of ArtifactsFlow.

python artifacts_flow.py --datastore s3 run
python read_past_artifacts.py
"""

import hashlib

from metaflow import Flow
from metaflow.cards import get_cards


def main():
    run = Flow("ArtifactsFlow").latest_run
    data = run["start"].task.data
    for artifact, digest in zip((data.tiny, data.small, data.medium, data.large), data.digests):
        assert hashlib.sha256(artifact).hexdigest() == digest
        print(f"{len(artifact)} bytes are intact.")
    print("Its last task said:", run["end"].task.stdout.strip())
    for card in get_cards(run["start"].task):
        print(f"The {card.type} card of {run.pathspec} is a page of {len(card.get()) // 1024} KB.")


if __name__ == "__main__":
    main()

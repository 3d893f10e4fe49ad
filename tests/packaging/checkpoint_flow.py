"""Saves and loads a checkpoint with metaflow-checkpoint. Not a test; test_code_package runs it.

python checkpoint_flow.py run
"""

import os

from metaflow import S3, FlowSpec, checkpoint, current, step

FILES = {f"{number}.txt": str(number) * 1000 for number in range(20)}


class CheckpointFlow(FlowSpec):
    """Save files in one step, load them in the next one."""

    @checkpoint
    @step
    def start(self):
        print("S3 is", S3.__module__)
        for name, text in FILES.items():
            with open(os.path.join(current.checkpoint.directory, name), "w", encoding="utf-8") as file:
                file.write(text)
        self.saved = current.checkpoint.save()
        self.next(self.end)

    @checkpoint
    @step
    def end(self):
        current.checkpoint.load(self.saved)
        for name, text in FILES.items():
            with open(os.path.join(current.checkpoint.directory, name), encoding="utf-8") as file:
                assert file.read() == text
        print(f"Loaded {len(FILES)} files.")


if __name__ == "__main__":
    CheckpointFlow()

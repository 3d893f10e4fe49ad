"""A local file that becomes part of the run, uploaded with `S3` when the datastore is S3.

python include_file_flow.py --datastore s3 run --notes notes.txt
"""

from metaflow import FlowSpec, IncludeFile, step


class IncludeFileFlow(FlowSpec):
    """Count the words of a file that the run keeps a copy of."""

    notes = IncludeFile("notes", required=True, help="A text file.")

    @step
    def start(self):
        self.words = len(self.notes.split())
        self.next(self.end)

    @step
    def end(self):
        print(f"{self.words} words in {len(self.notes)} characters.")


if __name__ == "__main__":
    IncludeFileFlow()

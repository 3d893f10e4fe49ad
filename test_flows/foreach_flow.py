"""Many tasks, one place: each task of a foreach stores its shard, and the join reads them all.

python foreach_flow.py run --shards 4 --max-workers 2
"""

from metaflow import S3, FlowSpec, Parameter, step

ROWS = 50  # in each shard


def row(shard, number):
    return f"row {number} of shard {shard}"


class ForeachFlow(FlowSpec):
    """Write in parallel under one run, and read everything in the join."""

    shards = Parameter("shards", default=3, help="How many tasks write.")

    @step
    def start(self):
        self.numbers = list(range(self.shards))
        self.next(self.write, foreach="numbers")

    @step
    def write(self):
        self.shard = self.input
        with S3(run=self) as s3:
            s3.put_many((f"shard-{self.shard}/{number:02}", row(self.shard, number)) for number in range(ROWS))
        self.next(self.join)

    @step
    def join(self, inputs):
        shards = sorted(task.shard for task in inputs)
        expected = [row(shard, number) for shard in shards for number in range(ROWS)]
        with S3(run=self) as s3:
            found = s3.get_recursive([f"shard-{shard}" for shard in shards])
            assert [rows.text for rows in found] == expected
            assert sorted(rows.text for rows in s3.get_all()) == sorted(expected)
        self.rows = len(found)
        self.next(self.end)

    @step
    def end(self):
        print(f"Read {self.rows} rows of {self.shards} shards.")


if __name__ == "__main__":
    ForeachFlow()

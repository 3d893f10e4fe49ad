"""A flow that uses `S3(run=self)` and records its results. Not a test; test_runs runs it."""

import json
import os

from metaflow import S3, FlowSpec, current, step

OTHER_BUCKET = os.environ["CONTRACT_OTHER_BUCKET"]


class ContractFlow(FlowSpec):
    """Two steps, because the second reads what the first stored."""

    @step
    def start(self):
        with S3(run=self) as s3:
            self.put_url = s3.put("model", "the model")
            self.many = s3.put_many([("data/1", b"1"), ("data/2", b"2")])
        with S3(run=self, prefix="other/place") as s3:
            self.prefix_url = s3.put("k", "elsewhere")
        with S3(run=self, bucket=OTHER_BUCKET) as s3:
            self.bucket_url = s3.put("k", "other bucket")
        with S3(run=self, bucket=OTHER_BUCKET, prefix="/other/place/") as s3:
            self.both_url = s3.put("k", "other bucket, elsewhere")
        self.next(self.end)

    @step
    def end(self):
        with S3(run=self) as s3:
            # The data that a run would store whose id begins with the id of this run.
            with S3(s3root=self.put_url[: -len("/model")] + "2") as sibling:
                sibling.put("not mine", "of another run")
            got = s3.get_all()
            report = {
                "run_id": current.run_id,
                "put_url": self.put_url,
                "many": self.many,
                "prefix_url": self.prefix_url,
                "bucket_url": self.bucket_url,
                "both_url": self.both_url,
                "get_all": [(o.url, o.prefix, o.key, o.text) for o in got],
                "get": s3.get("model").text,
                "list_paths": [(o.key, o.exists) for o in s3.list_paths()],
            }
        try:
            S3().get("model")
        except Exception as error:
            report["no root"] = [type(error).__name__, str(error)]
        with open(os.environ["CONTRACT_REPORT"], "w", encoding="utf-8") as file:
            json.dump(report, file)


if __name__ == "__main__":
    ContractFlow()

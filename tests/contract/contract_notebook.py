"""Reads the data of a past run of ContractFlow, as a notebook does. Not a test; test_runs runs it."""

import json
import os

from metaflow import S3, Flow, FlowSpec, Run, namespace, step


class NotRunning(FlowSpec):
    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        pass


def failure(**arguments):
    """The class and the message of the error that S3 gives for wrong arguments."""
    try:
        S3(**arguments)
    except Exception as error:
        return [type(error).__name__, str(error)]
    return None


def main():
    namespace(None)
    latest = Flow("ContractFlow").latest_run
    by_name = Run(f"ContractFlow/{latest.id}")
    report = {"run_id": latest.id, "get_all": [], "prefix": [], "bucket": []}
    for run in (latest, by_name):
        with S3(run=run) as s3:
            report["get_all"].append([(o.url, o.prefix, o.key, o.text) for o in s3.get_all()])
        with S3(run=run, prefix="other/place") as s3:
            report["prefix"].append(s3.get("k").text)
        with S3(run=run, bucket=os.environ["CONTRACT_OTHER_BUCKET"]) as s3:
            report["bucket"].append(s3.get("k").text)
    report["wrong"] = {
        "a name": failure(run=f"ContractFlow/{latest.id}"),
        "a number": failure(run=int(latest.id)),
        "a flow that is not running": failure(run=NotRunning(use_cli=False)),
        "a step": failure(run=latest["start"]),
        "a run and s3root": failure(run=latest, s3root="s3://bucket/prefix"),
    }
    with open(os.environ["CONTRACT_REPORT"], "w", encoding="utf-8") as file:
        json.dump(report, file)


if __name__ == "__main__":
    main()

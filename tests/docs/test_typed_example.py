"""Runs `docs/examples/typed_example.py`; tests/packaging checks its types."""

import os
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "typed_example.py"


def test_it_stores_series_and_reads_their_beginnings(seaweedfs, prefix, tmp_path):
    root = f"s3://{seaweedfs.bucket}/{prefix}"
    done = subprocess.run(
        [sys.executable, EXAMPLE, root],
        cwd=tmp_path,
        env={
            **os.environ,
            "METAFLOW_S3_ENDPOINT_URL": seaweedfs.endpoint_url,
            "AWS_ACCESS_KEY_ID": seaweedfs.access_key,
            "AWS_SECRET_ACCESS_KEY": seaweedfs.secret_key,
            "AWS_DEFAULT_REGION": seaweedfs.region,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "{'a': [1.0, 2.0], 'b': [4.0, 5.0]} 3 None 40\n"
    assert done.stderr == f"{root}/c does not exist: 404\n"
    assert list(tmp_path.iterdir()) == []

"""`make demo`: a real S3 server on this machine, a flow that stores data, and a script that reads them afterwards.

Everything it makes is temporary, the server included.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from metaflow_extensions.fasts3.local_server.errors import LocalServerError
from metaflow_extensions.fasts3.local_server.seaweedfs import SeaweedFS

HERE = Path(__file__).resolve().parent
COMMANDS = [
    ["versioned_flow.py", "--datastore", "s3", "run"],
    ["read_past_run.py"],
]


def main():
    # Not the user's own Metaflow, nor their AWS account.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("METAFLOW_", "AWS_"))}
    with tempfile.TemporaryDirectory(prefix="fasts3-demo-") as folder, SeaweedFS() as server:
        environment.update(
            server.environment(),
            METAFLOW_HOME=folder,
            METAFLOW_DEFAULT_METADATA="local",
            METAFLOW_DATASTORE_SYSROOT_LOCAL=folder,
            METAFLOW_USER="demo",
        )
        print(f"An S3 server (SeaweedFS) runs at {server.endpoint_url}.")
        for program, *arguments in COMMANDS:
            print(f"\n$ python {' '.join([program, *arguments])}", flush=True)
            subprocess.run([sys.executable, HERE / program, *arguments], env=environment, cwd=folder, check=True)
    print("\nThe server is stopped, and its data are removed.")


if __name__ == "__main__":
    try:
        main()
    except (LocalServerError, subprocess.CalledProcessError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)

"""Run the notebook of the first argument in the current directory, and write it with its outputs to the second.

Not a test; test_tutorial runs it in a separate process, because a kernel's client has its own event loops and warnings.
"""

import os
import sys
import tempfile

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

LONGEST_CELL = 120  # seconds
LONGEST_START = 60  # seconds


def kernel_manager(folder):
    """The manager of a kernel of this interpreter, independent of the kernels of the user, over Unix sockets."""
    kernels = KernelSpecManager(kernel_dirs=[], ensure_native_kernel=True)
    return AsyncKernelManager(
        kernel_name="python3",
        kernel_spec_manager=kernels,
        transport="ipc",
        connection_file=os.path.join(folder, "kernel.json"),
    )


def main(source, target):
    """Run all cells; raise the first error."""
    notebook = nbformat.read(source, as_version=4)
    # A short path: a socket's has 107 characters at the most.
    with tempfile.TemporaryDirectory(prefix="fasts3-kernel-") as folder:
        # Neither the user's settings nor their history.
        os.environ.update(IPYTHONDIR=folder, JUPYTER_CONFIG_DIR=folder, JUPYTER_RUNTIME_DIR=folder)
        client = NotebookClient(
            notebook,
            km=kernel_manager(folder),
            timeout=LONGEST_CELL,
            startup_timeout=LONGEST_START,
            resources={"metadata": {"path": os.getcwd()}},
        )
        client.execute()
    nbformat.write(notebook, target)


if __name__ == "__main__":
    main(*sys.argv[1:])

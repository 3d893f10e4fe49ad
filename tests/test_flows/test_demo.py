"""The flow that `make demo` runs."""

import os
import re
import socket


def test_the_demo_shows_the_data_of_a_past_run_and_leaves_nothing_running(user):
    printed = user.runs("demo.py")
    assert "S3 is metaflow_extensions.fasts3.api.s3" in printed
    assert "Read 102 objects back." in printed
    assert "The greeting: Grüße from a past run" in printed
    [port] = re.findall(r"runs at http://127\.0\.0\.1:(\d+)\.", printed)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(port))) != 0
    assert not [name for name in os.listdir(user.folder) if name != "home"]

"""Unreadable files and directories do not stop the upload of the others; the error names them unless excluded."""

import os
import shutil

import pytest

# Root may read everything: without these capabilities it is a user as any other.
AS_A_USER = () if os.geteuid() else ("setpriv", "--bounding-set", "-dac_override,-dac_read_search")


@pytest.mark.skipif(bool(AS_A_USER) and not shutil.which("setpriv"), reason="root may read everything")
def test_unreadable_files(run, stored, tmp_path):
    for name in ("a", "secret", "b/c", "b/secret", "closed/d"):
        path = tmp_path / "local" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"old")
    stored.put_all({"m/secret": b"old"})  # of the same size: its file is read to compare them
    closed = [tmp_path / "local" / name for name in ("secret", "b/secret", "closed")]
    for path in closed:
        path.chmod(0)
    try:
        done = run(
            """
            for patterns in {}, {"include": "b/*"}, {"exclude": ["*secret", "closed/*"]}:
                try:
                    print([key for key, _ in s3.upload("local", "m", **patterns)])
                except Exception as error:
                    print(error.failed)
            """,
            AS_A_USER,
        )
    finally:
        for path in closed:
            path.chmod(0o700)
    everything, included, excluded = done.stdout.splitlines()
    assert sorted(eval(everything)) == ["local/b/secret", "local/closed", "local/secret"]
    assert everything.count("Permission denied") == 3
    assert list(eval(included)) == ["local/b/secret"]
    assert eval(excluded) == []
    assert stored.list() == {"m/a", "m/b/c", "m/secret"}

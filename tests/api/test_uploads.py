"""The result of `S3.iter_uploads`."""

from metaflow.datatools.s3 import S3Upload


def test_its_text_names_it():
    assert str(S3Upload("s3://b/k", "id", None, None)) == "s3://b/k (upload id id)"

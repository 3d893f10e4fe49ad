"""Each server responds, and belongs to the fixture that started it."""

from servers.s3_server import S3Server


def test_an_object_is_stored_and_read(server: S3Server, prefix: str) -> None:
    client = server.boto3_client()
    client.put_object(Bucket=server.bucket, Key=f"{prefix}/key", Body=b"value")
    assert client.get_object(Bucket=server.bucket, Key=f"{prefix}/key")["Body"].read() == b"value"
    client.close()


def test_no_secret_is_shown(server: S3Server) -> None:
    assert server.secret_key not in repr(server)


def test_the_fixtures_for_one_server_share_it(seaweedfs: S3Server, moto: S3Server, server: S3Server) -> None:
    same = {"seaweedfs": seaweedfs, "moto": moto}.get(server.name)
    assert same is None or same is server

"""The compared libraries: each opens an object to read or to write, as its documentation says."""

from contextlib import closing
from typing import Any

from ..peers.obstore import store_of
from ..servers.place import Place


class Library:
    """One library. Its constructor imports it and creates what it needs before its first file."""

    def __init__(self, place: Place) -> None:
        self.place = place

    def read(self, key: str) -> Any:
        """Open an object that is read from its beginning to its end."""
        raise NotImplementedError

    def read_columns(self, key: str) -> Any:
        """Open a Parquet file of which some columns are read."""
        return self.read(key)

    def write(self, key: str) -> Any:
        """Open an object to be written."""
        raise NotImplementedError


class Ours(Library):
    """This package."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        from metaflow import S3

        self._s3 = S3(s3root=f"s3://{place.bucket}", client_params={"endpoint_url": place.endpoint_url})

    def read(self, key: str) -> Any:
        return self._s3.open(key)

    def write(self, key: str) -> Any:
        return self._s3.open(key, "wb")


class S3fs(Library):
    """s3fs, with its default cache."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        import s3fs

        self._fs = s3fs.S3FileSystem(
            key=place.access_key, secret=place.secret_key, client_kwargs={"endpoint_url": place.endpoint_url}
        )

    def read(self, key: str) -> Any:
        return self._fs.open(f"{self.place.bucket}/{key}", "rb")

    def write(self, key: str) -> Any:
        return self._fs.open(f"{self.place.bucket}/{key}", "wb")


class SmartOpen(Library):
    """smart_open, with boto3."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        import boto3
        import smart_open

        self._open = smart_open.open
        self._client = boto3.client("s3", endpoint_url=place.endpoint_url)

    def read(self, key: str) -> Any:
        return self._opened(key, "rb")

    def write(self, key: str) -> Any:
        return self._opened(key, "wb")

    def _opened(self, key: str, mode: str) -> Any:
        return self._open(f"s3://{self.place.bucket}/{key}", mode, transport_params={"client": self._client})


class Obstore(Library):
    """The readers and writers of obstore (Rust, the object_store crate)."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        import obstore

        self._obstore: Any = obstore
        self._store = store_of(place)

    def read(self, key: str) -> Any:
        # Its readers are no context managers. This buffer is faster here than the default.
        return closing(self._obstore.open_reader(self._store, key, buffer_size=8 * 2**20))

    def read_columns(self, key: str) -> Any:
        from obstore.fsspec import FsspecStore  # pyarrow can't use the reader of `open_reader`

        config = {
            "endpoint": self.place.endpoint_url,
            "region": self.place.region,
            "access_key_id": self.place.access_key,
            "secret_access_key": self.place.secret_key,
        }
        system = FsspecStore("s3", config=config, client_options={"allow_http": True})
        return system.open(f"{self.place.bucket}/{key}", "rb")

    def write(self, key: str) -> Any:
        return self._obstore.open_writer(self._store, key)


class PyarrowFs(Library):
    """The S3 file system of pyarrow (C++, the AWS SDK)."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        from pyarrow import fs

        scheme, _, host = place.endpoint_url.partition("://")
        self._fs = fs.S3FileSystem(
            access_key=place.access_key,
            secret_key=place.secret_key,
            region=place.region,
            scheme=scheme,
            endpoint_override=host,
        )

    def read(self, key: str) -> Any:
        return self._fs.open_input_stream(f"{self.place.bucket}/{key}")

    def read_columns(self, key: str) -> Any:
        return self._fs.open_input_file(f"{self.place.bucket}/{key}")

    def write(self, key: str) -> Any:
        return self._fs.open_output_stream(f"{self.place.bucket}/{key}")


LIBRARIES: "dict[str, type[Library]]" = {
    "ours": Ours,
    "s3fs": S3fs,
    "smart_open": SmartOpen,
    "obstore": Obstore,
    "pyarrow.fs": PyarrowFs,
}
PACKAGES = {"ours": "metaflow-fasts3", "smart_open": "smart-open", "pyarrow.fs": "pyarrow"}  # where names differ

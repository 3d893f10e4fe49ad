"""The AWS CRT (C) by awscrt's own S3 client: what boto3[crt] runs on, without botocore preparing each request."""

from collections.abc import Sequence
from concurrent.futures import Future
from io import BytesIO
from threading import Semaphore
from typing import Any
from urllib.parse import quote, urlsplit

from ..servers.place import Place
from .peer import Peer, local_path

IN_FLIGHT = 128  # as s3transfer has it


class AwsCrt(Peer):
    """awscrt.s3.S3Client: uploads and downloads, nothing else."""

    verbs = frozenset(("get_one", "get", "put", "put_files"))

    def __init__(self, place: Place, size: int) -> None:
        super().__init__(place, size)
        import awscrt.s3
        import s3transfer.crt  # noqa: F401

        self._crt: Any = awscrt

    def open(self) -> None:
        from s3transfer.crt import create_s3_crt_client

        place = self.place
        self._client: Any = create_s3_crt_client(
            place.region,
            self._crt.auth.AwsCredentialsProvider.new_static(place.access_key, place.secret_key),
            use_ssl=place.ca_file is not None,
            verify=place.ca_file,
        )
        self._host = urlsplit(place.endpoint_url).netloc

    def get(self, keys: Sequence[str], folder: str) -> Any:
        paths = [local_path(folder, number) for number in range(len(keys))]
        self._all("GET", [(key, {"recv_filepath": path}) for key, path in zip(keys, paths)])
        return paths

    def put(self, pairs: "Sequence[tuple[str, bytes]]", paths: "Sequence[tuple[str, str]]") -> Any:
        self._all("PUT", [(key, {"body": BytesIO(value)}) for key, value in pairs])
        return [len(value) for _, value in pairs]

    def put_files(self, paths: "Sequence[tuple[str, str]]") -> Any:
        self._all("PUT", [(key, {"send_filepath": path}) for key, path in paths])
        return [self.size] * len(paths)

    def _all(self, method: str, transfers: "list[tuple[str, dict[str, Any]]]") -> None:
        free = Semaphore(IN_FLIGHT)
        futures: list[Future[Any]] = []
        for key, options in transfers:
            free.acquire()
            request = self._client.make_request(**self._request(method, key, **options))
            request.finished_future.add_done_callback(lambda _: free.release())
            futures.append(request.finished_future)
        for future in futures:
            future.result()

    def _request(self, method: str, key: str, body: Any = None, **options: Any) -> "dict[str, Any]":
        http, s3 = self._crt.http, self._crt.s3
        length = self.size if method == "PUT" else 0
        headers = http.HttpHeaders([("host", self._host), ("Content-Length", str(length))])
        path = f"/{self.place.bucket}/{quote(key)}"
        kind = s3.S3RequestType.GET_OBJECT if method == "GET" else s3.S3RequestType.PUT_OBJECT
        return {"type": kind, "request": http.HttpRequest(method, path, headers, body), **options}

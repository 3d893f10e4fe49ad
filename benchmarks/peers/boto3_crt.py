"""boto3[crt]: boto3's transfer manager on top of the AWS CRT, with requests from botocore."""

import os
import time
from collections.abc import Sequence
from io import BytesIO
from typing import Any

from ..servers.place import Place
from .peer import Peer, local_path


class Boto3Crt(Peer):
    """s3transfer's CRTTransferManager: uploads and downloads, nothing else."""

    verbs = frozenset(("get_one", "get", "put", "put_files"))

    def __init__(self, place: Place, size: int) -> None:
        super().__init__(place, size)
        import s3transfer.crt  # noqa: F401

    def open(self) -> None:
        from awscrt.auth import AwsCredentialsProvider
        from botocore.session import Session
        from s3transfer.crt import BotocoreCRTRequestSerializer, CRTTransferManager, create_s3_crt_client

        place = self.place
        client: Any = create_s3_crt_client(
            place.region,
            AwsCredentialsProvider.new_static(place.access_key, place.secret_key),
            use_ssl=place.ca_file is not None,
            verify=place.ca_file,
        )
        serializer = BotocoreCRTRequestSerializer(
            Session(), {"region_name": place.region, "endpoint_url": place.endpoint_url}
        )
        self._manager: Any = CRTTransferManager(client, serializer)

    def close(self) -> None:
        self._manager.shutdown()

    def get(self, keys: Sequence[str], folder: str) -> Any:
        paths = [local_path(folder, number) for number in range(len(keys))]
        self._wait([self._manager.download(self.place.bucket, key, path) for key, path in zip(keys, paths)])
        while not all(map(os.path.exists, paths)):  # s3transfer renames a file after it reports that it is done
            time.sleep(0.001)
        return paths

    def put(self, pairs: "Sequence[tuple[str, bytes]]", paths: "Sequence[tuple[str, str]]") -> Any:
        self._wait([self._manager.upload(BytesIO(value), self.place.bucket, key) for key, value in pairs])
        return [len(value) for _, value in pairs]

    def put_files(self, paths: "Sequence[tuple[str, str]]") -> Any:
        self._wait([self._manager.upload(path, self.place.bucket, key) for key, path in paths])
        return [self.size] * len(paths)

    @staticmethod
    def _wait(futures: "list[Any]") -> None:
        for future in futures:
            future.result()

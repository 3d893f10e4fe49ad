"""The compared clients, one file each; `PEERS` is the list.

Each uses its library as an expert would, with the number of concurrent requests that is fastest.
"""

from importlib import import_module
from typing import NamedTuple

from .peer import Peer


class Listed(NamedTuple):
    """A client, before its library has been imported."""

    module: str
    class_name: str
    title: str  # in tables and plots


PEERS = {
    "ours": Listed("metaflow_s3", "Ours", "metaflow-fasts3"),
    "own": Listed("metaflow_s3", "Own", "Metaflow's own"),
    "s5cmd": Listed("s5cmd", "S5cmd", "s5cmd"),
    "obstore": Listed("obstore", "Obstore", "obstore"),
    "boto3": Listed("boto3_threads", "Boto3Threads", "boto3, threads"),
    "boto3-crt": Listed("boto3_crt", "Boto3Crt", "boto3[crt]"),
    "awscrt": Listed("aws_crt", "AwsCrt", "AWS CRT"),
    "bare": Listed("bare_socket", "BareSocket", "bare recv_into"),
}
OURS = "ours"
OWN = "own"


def peer_class(name: str) -> "type[Peer]":
    """Import a client's file; its library is imported when a client is made."""
    listed = PEERS[name]
    found: type[Peer] = getattr(import_module(f".{listed.module}", __package__), listed.class_name)
    return found

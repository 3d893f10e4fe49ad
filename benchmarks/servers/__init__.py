"""The servers of the comparison, one file each; `SERVERS` is the list.

All run on this machine, on free ports of the loopback address, and end with their ``with`` block.
"""

from .listing_only import DistantHashes, DistantNumbers, DistantTrees
from .nginx_far import NginxFar
from .nginx_static import NginxStatic
from .nginx_tls import NginxTls
from .seaweedfs import SeaweedServer
from .server import Server

SERVERS: dict[str, type[Server]] = {
    "nginx": NginxStatic,
    "nginx TLS": NginxTls,
    "nginx 20 ms": NginxFar,
    "SeaweedFS": SeaweedServer,
    "numbered keys, 50 ms": DistantNumbers,
    "hashed keys, 50 ms": DistantHashes,
    "deep trees, 50 ms": DistantTrees,
}

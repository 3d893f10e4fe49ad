"""The servers on which clients are compared, one a file; `SERVERS` is the list.

All are this machine's, on the loopback address, on free ports, and gone when their ``with`` block ends.
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

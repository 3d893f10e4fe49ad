"""The servers on which clients are compared, one a file; `SERVERS` is the list.

All are this machine's, on the loopback address, on free ports, and gone when their ``with`` block ends.
"""

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
}

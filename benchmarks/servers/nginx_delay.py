"""nginx in front of another server: it passes every request on, some milliseconds late, as if that server were far."""

from pathlib import Path

from .nginx import Nginx
from .place import Place

# The request goes on as it came: the signature covers the host and the path. Bodies are not kept in files, and pass
# through buffers that are large enough for the proxy not to be the bottleneck.
BLOCK = """\
client_max_body_size 0;
client_body_buffer_size 256k;
location / {{
    access_by_lua_block {{ ngx.sleep({seconds}) }}
    proxy_pass {endpoint_url};
    proxy_set_header Host $http_host;
    proxy_set_header Connection "";
    proxy_http_version 1.1;
    proxy_request_buffering off;
    proxy_buffering off;
    proxy_buffer_size 256k;
    proxy_buffers 8 256k;
}}
"""


class NginxDelay(Nginx):
    """See `Nginx`. `place` is the other server's, but for the endpoint.

    Parameters
    ----------
    scratch : Path
    behind : Place
        The server that responds.
    seconds : float
        How late each request reaches it.
    """

    def __init__(self, scratch: Path, behind: Place, seconds: float) -> None:
        super().__init__(scratch)
        self._behind = behind
        self._seconds = seconds

    def block(self) -> str:
        return BLOCK.format(seconds=self._seconds, endpoint_url=self._behind.endpoint_url)

    def __enter__(self) -> "NginxDelay":
        super().__enter__()
        self.place = self._behind._replace(endpoint_url=self.place.endpoint_url)
        return self

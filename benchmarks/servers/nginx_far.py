"""nginx that responds 20 ms later, like an S3 that is far: what counts is how many requests are in flight."""

from .nginx import Nginx

SECONDS = 0.02


class NginxFar(Nginx):
    """See `Nginx`."""

    def block(self) -> str:
        return f"access_by_lua_block {{ ngx.sleep({SECONDS}) }}"

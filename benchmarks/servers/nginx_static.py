"""nginx, nothing added: the client's own cost."""

from .nginx import Nginx


class NginxStatic(Nginx):
    """See `Nginx`."""

    def block(self) -> str:
        return ""

"""nginx with TLS 1.3: what encryption and certificates cost the client. The authority is made for the run."""

from pathlib import Path
from typing import Optional

from .nginx import LOOPBACK, Nginx


class NginxTls(Nginx):
    """See `Nginx`."""

    scheme = "https"
    listen = " ssl"

    def block(self) -> str:
        folder = self._certificate()
        return (
            # One cipher, so that all clients do the same work: they prefer different ones.
            "ssl_protocols TLSv1.3; ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256; "
            "ssl_session_cache shared:tls:10m; "
            f"ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.pem;"
        )

    def ca_file(self) -> Optional[str]:
        return str(self._certificate() / "authority.pem")

    def _certificate(self) -> Path:
        import trustme  # in the extra `bench` only

        folder = self.scratch / "tls"
        if not folder.exists():
            folder.mkdir()
            authority = trustme.CA()
            authority.cert_pem.write_to_path(str(folder / "authority.pem"))
            authority.issue_cert(LOOPBACK).private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
        return folder

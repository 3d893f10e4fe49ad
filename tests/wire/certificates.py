"""A certificate authority for test servers with TLS."""

import ssl

import trustme


class Certificates:
    """An authority, and the certificates that it has signed."""

    def __init__(self, directory):
        self.authority = trustme.CA()
        self.bundle = str(directory / "ca.pem")
        self.authority.cert_pem.write_to_path(self.bundle)

    def server(self, *names, **options):
        """The context of a server with a certificate for the given names."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert(*(names or ("127.0.0.1", "localhost")), **options).configure_cert(context)
        return context

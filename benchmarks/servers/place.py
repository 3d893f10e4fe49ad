"""The location and credentials of a server, for the clients."""

from typing import NamedTuple, Optional


class Place(NamedTuple):
    """The parameters of a client."""

    endpoint_url: str
    bucket: str
    region: str
    access_key: str
    secret_key: str
    ca_file: Optional[str] = None  # PEM file of the authority to trust; None without TLS

    def environment(self) -> "dict[str, str]":
        """Return the environment variables for clients that read them."""
        variables = {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_EC2_METADATA_DISABLED": "true",  # no client may look for other credentials
            "METAFLOW_S3_ENDPOINT_URL": self.endpoint_url,
            "S3_ENDPOINT_URL": self.endpoint_url,  # s5cmd
        }
        if self.ca_file:
            # What boto3 and s5cmd know, and what OpenSSL, Go and Rust know.
            variables.update(AWS_CA_BUNDLE=self.ca_file, SSL_CERT_FILE=self.ca_file)
        return variables

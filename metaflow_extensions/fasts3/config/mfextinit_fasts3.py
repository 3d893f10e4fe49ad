"""Settings of this extension, beside Metaflow's own; set them as METAFLOW_<NAME> or in Metaflow's configuration."""

from metaflow.metaflow_config_funcs import from_conf

# Seconds that a call waits for an S3 endpoint that has responded to this process before and now does not.
S3_OUTAGE_TIMEOUT = from_conf("S3_OUTAGE_TIMEOUT", 300)

# Which implementation transfers data: "wire", our own HTTP client, with boto3 for the rest; or "boto3" for everything.
S3_TRANSFERS = from_conf("S3_TRANSFERS", "wire")

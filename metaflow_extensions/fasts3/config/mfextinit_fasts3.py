"""Settings of this extension, beside Metaflow's own; set them as METAFLOW_<NAME> or in Metaflow's configuration."""

from metaflow.metaflow_config_funcs import from_conf

# Seconds that a call waits for an S3 endpoint which has answered this process before and now does not.
S3_OUTAGE_TIMEOUT = from_conf("S3_OUTAGE_TIMEOUT", 300)

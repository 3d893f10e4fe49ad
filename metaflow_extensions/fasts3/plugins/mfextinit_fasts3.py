"""Makes Metaflow's datastore `s3` this package's: a plugin of an extension replaces Metaflow's of the same name."""

DATASTORES_DESC = [("s3", "metaflow_extensions.fasts3.datastore.storage.S3Storage")]

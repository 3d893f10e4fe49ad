"""Adds ``metaflow fasts3`` to the command line of Metaflow."""

CMDS_DESC = [("fasts3", "metaflow_extensions.fasts3.cli.main.cli")]

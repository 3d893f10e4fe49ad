"""Adds ``metaflow fasts3`` to the command line of Metaflow."""

CMDS_DESC = [("fasts3", ".fasts3_cli.cli")]

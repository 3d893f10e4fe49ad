"""Names the modules to override, before Metaflow imports its own."""

module_overrides = "module_overrides"

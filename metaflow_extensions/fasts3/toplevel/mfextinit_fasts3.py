"""Tells Metaflow that there are modules to override before it imports its own."""

module_overrides = "module_overrides"

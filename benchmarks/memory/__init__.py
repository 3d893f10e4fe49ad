"""Checks that the memory of large calls stays within the documented limits."""

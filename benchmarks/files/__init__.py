"""Compares files in S3 with those of other libraries: ``python -m benchmarks.files``."""

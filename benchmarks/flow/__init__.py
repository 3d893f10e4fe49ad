"""A flow of 33 tasks with its artifacts in S3, with both classes: `python -m benchmarks.flow`."""

"""Measures a flow of 33 tasks with artifacts in S3, with both classes: `python -m benchmarks.flow`."""

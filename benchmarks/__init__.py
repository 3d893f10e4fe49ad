"""Compares the speed of Metaflow's own S3 class and this project's in one run; `race` adds other clients.

Run ``python -m benchmarks`` from the root of the repository; ``--help`` lists the options.
"""

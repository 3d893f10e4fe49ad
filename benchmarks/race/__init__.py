"""Compares all clients on the same work in one run: `benchmarks.peers` on `benchmarks.servers`.

Run ``python -m benchmarks.race`` from the root of the repository; ``--help`` lists the options.
"""

"""All clients on the same work in one run: `benchmarks.peers` on `benchmarks.servers`.

``python -m benchmarks.race`` from the root of the repository; ``--help`` says what else.
"""

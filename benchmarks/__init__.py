"""Speed side by side: Metaflow's own S3 class and this project's, on one server in one run.

``python -m benchmarks`` from the root of the repository; ``--help`` says what else.
"""

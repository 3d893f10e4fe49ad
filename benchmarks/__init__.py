"""Speed side by side, in one run: Metaflow's own S3 class and this project's, and in `race` other clients too.

``python -m benchmarks`` from the root of the repository; ``--help`` says what else.
"""

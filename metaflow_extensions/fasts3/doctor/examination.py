"""The whole examination: facts, then checks."""

import os
from collections.abc import Iterable, Iterator
from typing import Callable, Optional

from metaflow_extensions.fasts3.boto.settings import Settings
from metaflow_extensions.fasts3.doctor import access, endpoint, machine, software
from metaflow_extensions.fasts3.doctor.checks import FIRST, REST, TOTAL, Examiner, why_no_url
from metaflow_extensions.fasts3.doctor.findings import Fact, Finding, Status
from metaflow_extensions.fasts3.doctor.limits import Deadline, aside, limited
from metaflow_extensions.fasts3.doctor.origins import config_file, metaflow_setting
from metaflow_extensions.fasts3.doctor.subject import Subject

GATHERING = 3.0  # seconds for the facts of one section
# Settings of Metaflow that decide where data goes and how it is moved.
SETTINGS = ("DATATOOLS_S3ROOT", "DATASTORE_SYSROOT_S3", "S3_SERVER_SIDE_ENCRYPTION", "S3_TRANSFERS", "S3_RETRY_COUNT")


class Examination:
    """Facts and findings of one subject, as they come.

    Parameters
    ----------
    root : str, optional
        What the user named, a valid S3 URL; DATATOOLS_S3ROOT if None.
    read_only : bool
        Write nothing.
    throughput : bool
        Move a large object, too.

    Attributes
    ----------
    subject : Subject
        To be entered before anything is asked for.
    """

    def __init__(self, root: Optional[str] = None, read_only: bool = False, throughput: bool = True) -> None:
        self._settings = list(_settings())  # as users have set them, before the subject changes some for a while
        configured = metaflow_setting("DATATOOLS_S3ROOT")
        usable = configured.value and why_no_url(str(configured.value)) is None
        self.subject = Subject(
            root=root or (str(configured.value).rstrip("/") if usable else None),
            root_origin="--root" if root else configured.origin,
            read_only=read_only,
            throughput=throughput,
            tmproot=str(metaflow_setting("TEMPDIR").value),
        )
        self._deadline = Deadline(TOTAL)
        self._examiner = Examiner(self.subject, self._deadline)
        self._first: list[Finding] = []

    def facts(self) -> Iterator[Fact]:
        """What is configured, and where from."""
        self._first = list(self._examiner.examine(FIRST))
        subject, connection = self.subject, self.subject.connection
        yield from self._gathered("software", software.facts)
        yield from self._settings
        if connection is not None:
            yield from self._gathered("credentials", lambda: access.facts(subject, connection))
        yield from self._gathered("endpoint", lambda: endpoint.facts(subject, connection))
        if all(finding.status is Status.OK for finding in self._first if finding.name == "settings"):
            yield from self._gathered("machine", lambda: machine.facts(subject.tmproot, Settings.read().connections))

    def findings(self) -> Iterator[Finding]:
        """What the checks found; after `facts`."""
        yield from self._first
        yield from self._examiner.examine(REST)

    def _gathered(self, section: str, facts: Callable[[], Iterable[Fact]]) -> "list[Fact]":
        """Facts, as many as can be had: what is wrong with the rest, the checks tell."""
        found: list[Fact] = []
        try:
            limited(max(0.1, min(GATHERING, self._deadline.left())), lambda: aside(lambda: found.extend(facts())))
        except Exception as error:
            found.append(Fact(section, "not_told", f"{type(error).__name__}: {error}"))
        return found


def _settings() -> Iterator[Fact]:
    path = config_file()
    yield Fact("metaflow", "config_file", path, "" if os.path.exists(path) else "not there")
    for name in SETTINGS:
        setting = metaflow_setting(name)
        yield Fact("metaflow", name, setting.value, setting.origin)

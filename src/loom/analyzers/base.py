"""The contract of an analyzer: a change in, findings out. Built-ins, linters and scripts all look like this."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from loom.core.change import ChangeSet, Files
from loom.core.finding import RawFinding
from loom.core.result import Notice


@dataclass(frozen=True, slots=True)
class Report:
    """What an analyzer found. It may report any line; the engine keeps those its pipeline's `filter` admits."""

    findings: tuple[RawFinding, ...] = ()
    not_reviewed: tuple[str, ...] = ()
    """Paths it should have looked at and could not."""
    notices: tuple[Notice, ...] = ()
    gaps: tuple[str, ...] = ()
    """What it should have done and could not, though every file was looked at: a rule that could not be read."""


class Analyzer(Protocol):
    """One analyzer, ready to run. Called in a worker thread: it may block, and must not touch the event loop."""

    def run(self, change: ChangeSet, files: Files) -> Report:
        """Look at `change` (already filtered to this pipeline's files). Raises ScriptError when it could not work."""

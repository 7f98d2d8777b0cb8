"""What every format reader shares: what it gives back, how a tool's paths become the repository's, and how its
levels become ours."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from loom.core.errors import ScriptError
from loom.core.finding import RawFinding, Severity

_WARNINGS = frozenset((
    "blocker", "critical", "danger", "deny", "err", "error", "fatal", "fatal error", "high", "major", "medium",
    "moderate", "warn", "warning",
))  # fmt: skip
"""What tools call the levels that are worth a warning; anything else is info, unless `severity_map` says so."""

_DRIVE = re.compile(r"^/?[A-Za-z]:[\\/]")
TITLE_LENGTH = 120


def _unknown(path: str) -> bytes | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a reader needs to know besides the bytes."""

    root: Path
    """The checkout, absolute: absolute paths below it become relative ones."""
    workdir: str = "."
    """Where the tool ran, relative to `root`, POSIX: its relative paths start there."""
    known: frozenset[str] = frozenset()
    """Paths of the change; a path that is in here is taken as it is."""
    severity_map: Mapping[str, Severity] = field(default_factory=dict)
    """A tool's level words (in any case) or rule ids -> our severities."""
    pattern: str | None = None
    """For `regex`."""
    head: Callable[[str], bytes | None] = _unknown
    """Reads a file after the change, to turn a tool's edits into suggestions of whole lines."""

    def path(self, told: str) -> str:
        """The repository-relative POSIX path of what a tool calls `told` (absolute, `./`, `file://`, Windows). One
        that lies outside the checkout stays absolute."""
        if told in self.known:
            return told
        path = _from_uri(told) if told.startswith("file:") else told
        if _DRIVE.match(path) or ("\\" in path and "/" not in path):
            path = path.replace("\\", "/")
        # "/private/tmp" for "/tmp": some tools print the real path.
        for root in dict.fromkeys((self.root.as_posix(), self.root.resolve().as_posix())):
            if path.startswith(root.rstrip("/") + "/"):
                return posixpath.normpath(path[len(root.rstrip("/")) + 1 :])
        if path.startswith("/") or _DRIVE.match(path):
            return path
        return posixpath.normpath(posixpath.join(self.workdir, path)) if path else ""

    def severity(self, level: str | None, rule: str | None) -> Severity | None:
        """Ours for a tool's: the rule's entry in the map, the level's, else error and warning are a warning and the
        rest is info. None when the tool named no level: the pipeline's default applies."""
        if rule is not None and rule in self.severity_map:
            return self.severity_map[rule]
        if not level:
            return None
        word = level.strip().lower()
        mapped = {key.lower(): severity for key, severity in self.severity_map.items()}
        return mapped.get(word) or (Severity.WARNING if word in _WARNINGS else Severity.INFO)


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a tool's output says."""

    findings: tuple[RawFinding, ...] = ()
    unread: tuple[str, ...] = ()
    """Paths that the tool says it could not look at."""
    problems: tuple[str, ...] = ()
    """What else went wrong, in the tool's words (untrusted)."""
    suppressed: int = 0
    """Results that the tool itself marks as silenced: they explain an exit code, no more."""


class Reader(Protocol):
    """One format."""

    def __call__(self, data: bytes, reading: Reading) -> Parsed:
        """Read a tool's whole output. Raises ScriptError where it is not in this format; nothing is skipped in
        silence."""


def malformed(what: str, *, hint: str) -> ScriptError:
    """The error for output that cannot be read."""
    return ScriptError(what, hint=hint, slug="script-output")


def title_of(message: str) -> str:
    """The first line of a message, short enough for a heading."""
    first = message.strip().partition("\n")[0].strip()
    return first if len(first) <= TITLE_LENGTH else first[: TITLE_LENGTH - 1].rstrip() + "…"


def _from_uri(uri: str) -> str:
    path = unquote(urlsplit(uri).path, errors="surrogateescape")
    return path[1:] if _DRIVE.match(path) and path.startswith("/") else path

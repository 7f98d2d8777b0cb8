"""What every format reader shares: what it gives back, how a tool's paths become the repository's, and how its
levels become ours."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from loom.core.diff import decode_text
from loom.core.errors import ScriptError
from loom.core.finding import RawFinding, Severity

_WARNINGS = frozenset((
    "blocker", "critical", "danger", "deny", "err", "error", "failed", "failure", "fatal", "fatal error", "high",
    "major", "medium", "moderate", "severe", "warn", "warning",
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
    """A tool's level words (in any case), rule ids, or their beginnings and `*` -> our severities."""
    pattern: str | None = None
    """For `regex`."""
    head: Callable[[str], bytes | None] = _unknown
    """Reads a file after the change, to turn a tool's edits into suggestions of whole lines."""
    _lines: dict[str, tuple[str, ...] | None] = field(default_factory=dict, init=False, repr=False, compare=False)

    def lines(self, path: str) -> tuple[str, ...] | None:
        """A file after the change, parted at line feeds, read once; None where it is not known."""
        if path not in self._lines:
            data = self.head(path)
            self._lines[path] = None if data is None else tuple(decode_text(data).split("\n"))
        return self._lines[path]

    def path(self, told: str) -> str:
        """The repository-relative POSIX path of what a tool calls `told` (absolute, `./`, `file://`, Windows). One
        that lies outside the checkout stays absolute."""
        if told in self.known:
            return told
        path = _from_uri(told) if told.startswith("file:") else told
        if _DRIVE.match(path) or ("\\" in path and "/" not in path):
            path = path.replace("\\", "/")
        # "/private/tmp" for "/tmp": some tools print the real path.
        for root in _roots(self.root):
            if path.startswith(root):
                return posixpath.normpath(path[len(root) :])
        if path.startswith("/") or _DRIVE.match(path):
            return path
        return posixpath.normpath(posixpath.join(self.workdir, path)) if path else ""

    def severity(self, level: str | None, rule: str | None) -> Severity | None:
        """Ours for a tool's: the rule's entry in the map (the closest), the level's, else error and warning are a
        warning and the rest is info. None when the tool named no level: the pipeline's default applies."""
        if rule is not None and (entry := self._entry(rule)) is not None:
            return self.severity_map[entry]
        if not level:
            return None
        word = level.strip().lower()
        mapped = {key.lower(): severity for key, severity in self.severity_map.items()} if self.severity_map else {}
        return mapped.get(word) or (Severity.WARNING if word in _WARNINGS else Severity.INFO)

    def _entry(self, rule: str) -> str | None:
        """The key in the map that is about the rule: its id, else the longest beginning of it."""
        if rule in self.severity_map:
            return rule
        starts = (key for key in self.severity_map if key.endswith("*") and rule.startswith(key[:-1]))
        return max(starts, key=len, default=None)


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a tool's output says."""

    findings: tuple[RawFinding, ...] = ()
    unread: tuple[str, ...] = ()
    """Paths that the tool says it could not look at."""
    problems: tuple[str, ...] = ()
    """What else went wrong, in the tool's words (untrusted)."""
    gaps: tuple[str, ...] = ()
    """Those of the problems by which results are missing here: the pipeline did not do all of its work."""
    suppressed: int = 0
    """Results that the tool itself marks as silenced: they explain an exit code, no more."""


class Reader(Protocol):
    """One format."""

    def __call__(self, data: bytes, reading: Reading) -> Parsed:
        """Read a tool's whole output. Raises ScriptError where it is not in this format; nothing is skipped in
        silence."""


@cache
def _roots(root: Path) -> tuple[str, ...]:
    """The checkout as it is called and as the system resolves it, each with a slash behind it. Asked once per process:
    a report has thousands of paths."""
    return tuple(dict.fromkeys(path.as_posix().rstrip("/") + "/" for path in (root, root.resolve())))


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

"""What a CI job says about the change it was started for: the value, and careful access to variables and payloads."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from loom.platforms.address import row
from loom.platforms.values import Event, Project

ReadFile = Callable[[str], bytes | None]
"""A file that a variable names; None where it cannot be read."""

SHA = re.compile(r"[0-9a-f]{7,64}")
_MOST_BYTES = 64_000_000  # GitHub caps webhook payloads at 25 MB


@dataclass(frozen=True, slots=True, kw_only=True)
class CiComment:
    """The comment that an event is about. Every text in it is T2."""

    id: str
    body: str
    author: str
    author_is_bot: bool
    action: str
    """`created`, `edited`, `deleted` …"""
    inline: bool = False
    """Whether it stands in a thread on the diff."""
    in_reply_to: str | None = None
    """The root of its thread, for an inline one."""
    created_at: str = ""
    head_sha: str | None = None
    """The pull request's head when it was written, where the event tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CiContext:
    """What the job's variables and its event say, before anything was asked of the platform. None: they do not say."""

    ci: str
    """A row of the table of CIs."""
    project: Project
    """The target of the pull request, not its fork."""
    event: Event
    number: int | None = None
    why_no_number: str = ""
    """What happened, where there is no number."""
    head_sha: str | None = None
    """The pull request's head as the event has it; never a merge commit made for the job."""
    base_sha: str | None = None
    merge_base: str | None = None
    before_sha: str | None = None
    """The head before the push that the event is about."""
    job_sha: str | None = None
    """The commit that the CI checks out by itself."""
    fork: bool | None = None
    draft: bool | None = None
    labels: tuple[str, ...] = ()
    author: str | None = None
    title: str | None = None
    source_branch: str | None = None
    target_branch: str | None = None
    comment: CiComment | None = None
    privileged: bool = True
    """Whether the job has the target repository's secrets, whoever made the change."""
    harmless: tuple[str, ...] = ()
    """Secret-looking variables (globs) that a stranger's job is given too: tokens that may only read, or are the
    stranger's own. Empty for a privileged job."""
    run_url: str | None = None
    server_version: str | None = None
    tokens: tuple[str, ...] = ()
    """Variables that may hold the token, first one first."""

    @property
    def is_fork(self) -> bool:
        """Whether the event says that the change comes from a fork."""
        return self.fork is True

    def is_harmless(self, variable: str) -> bool:
        """Whether a stranger's job is given this variable too."""
        return any(fnmatchcase(variable, pattern) for pattern in self.harmless)


@dataclass(frozen=True, slots=True)
class Job:
    """The variables of a job and the files they name."""

    environ: Mapping[str, str]
    read_file: ReadFile

    def get(self, *names: str) -> str | None:
        """The first of the variables that is set to something."""
        return next((value for name in names if (value := self.environ.get(name, "").strip())), None)

    def sha(self, *names: str) -> str | None:
        """The first of the variables that holds a commit id; ids of zeros mean none."""
        values = (sha_of(self.environ.get(name, "").strip()) for name in names)
        return next((value for value in values if value), None)

    def number(self, *names: str) -> int | None:
        """The first of the variables that holds a number, or ends in one, as URLs do."""
        for name in names:
            found = re.search(r"(?:^|\D)([1-9][0-9]{0,9})$", self.environ.get(name, "").strip().rstrip("/"))
            if found:
                return int(found[1])
        return None

    def payload(self, name: str) -> Payload:
        """The JSON object in the file that a variable names."""
        path = self.get(name)
        if path is None:
            return Payload(problem=f"{name} is not set")
        raw = self.read_file(path)
        if raw is None:
            return Payload(problem=f"{name} names a file that cannot be read")
        if len(raw) > _MOST_BYTES:
            return Payload(problem=f"{name} names a file that is too large")
        try:
            value = json.loads(raw)
        except (ValueError, RecursionError):
            return Payload(problem=f"{name} names a file that is not JSON")
        return Payload(value) if isinstance(value, dict) else Payload(problem=f"{name} names a file without an event")


@dataclass(frozen=True, slots=True)
class Payload:
    """An event, read without believing in its shape."""

    value: Mapping[str, Any] = field(default_factory=dict)
    """Any: JSON."""
    problem: str = ""
    """Why there is none."""

    def at(self, *path: str) -> Payload:
        """The object at this place; an empty one where there is none."""
        found: object = self.value
        for name in path:
            found = found.get(name) if isinstance(found, Mapping) else None
        return Payload(found) if isinstance(found, Mapping) else Payload()

    def text(self, *path: str) -> str | None:
        """A text that is not empty; a number counts as one."""
        found = self._found(path)
        if isinstance(found, int) and not isinstance(found, bool):
            return str(found)
        return found if isinstance(found, str) and found else None

    def number(self, *path: str) -> int | None:
        """A positive whole number."""
        found = self._found(path)
        return found if isinstance(found, int) and not isinstance(found, bool) and found > 0 else None

    def sha(self, *path: str) -> str | None:
        """A commit id."""
        return sha_of(self.text(*path) or "")

    def flag(self, *path: str) -> bool | None:
        """True, false, or None where there is neither."""
        found = self._found(path)
        return found if isinstance(found, bool) else None

    def list(self, *path: str) -> tuple[Payload, ...]:
        """The objects of a list."""
        found = self._found(path)
        return tuple(Payload(item) for item in found if isinstance(item, Mapping)) if isinstance(found, list) else ()

    def names(self, *path: str) -> tuple[str, ...]:
        """The names of the objects of a list: labels."""
        return tuple(name for item in self.list(*path) if (name := item.text("name") or item.text("title")))

    def _found(self, path: tuple[str, ...]) -> object:
        return self.at(*path[:-1]).value.get(path[-1])

    def __bool__(self) -> bool:
        return bool(self.value)


def sha_of(text: str) -> str | None:
    """The commit id, if it is one; ids of zeros mean none."""
    text = text.lower()
    return text if SHA.fullmatch(text) and text.strip("0") else None


def same_commit(a: str, b: str) -> bool:
    """Whether two ids mean one commit. Some platforms shorten them."""
    short = min(len(a), len(b))
    return short >= 7 and a[:short] == b[:short]


def tokens_of(platform: str) -> tuple[str, ...]:
    """The variables that may hold a token for the platform, first one first."""
    return ("LOOM_TOKEN", *row(platform).tokens)

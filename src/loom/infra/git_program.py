"""The git program: where it is, the settings it always gets, and what its failures mean."""

from __future__ import annotations

import re
from collections.abc import Mapping
from os import devnull
from pathlib import Path

from loom.core.errors import LoomError, SourceError
from loom.infra import process

_SETTINGS = {
    "core.fsmonitor": "false",  # a command, run even by diff-tree
    "core.hooksPath": devnull,
    "core.quotePath": "true",
    "core.untrackedCache": "false",
    "color.ui": "false",
    "diff.suppressBlankEmpty": "false",
    "protocol.allow": "never",  # no fetching of missing objects behind our back
    "safe.bareRepository": "explicit",
    "submodule.recurse": "false",
}
_MISSING_HINT = "a partial clone leaves objects out: `git fetch --refetch`, or clone without --filter"


def find(environ: Mapping[str, str], outside: Path | None) -> str:
    """The program, never one inside `outside`. Raises SourceError."""
    try:
        return process.resolve("git", path=environ.get("PATH", ""), outside=outside)
    except LoomError as error:
        raise SourceError(
            "git is not installed (not found in PATH)",
            hint="install git, or review a diff that was made elsewhere with `--diff FILE`",
            slug="no-git",
        ) from error


def settings() -> list[str]:
    """The settings as arguments."""
    return [part for key, value in _SETTINGS.items() for part in ("-c", f"{key}={value}")]


def failed(command: str, done: process.Completed) -> SourceError:
    """What a command that failed comes to."""
    reason = said(done)
    missing = re.search(r"unable to read|bad object|not our ref|missing (?:blob|object)", reason)
    return SourceError(
        f"git {command} failed: {reason}",
        hint=_MISSING_HINT if missing else "the repository may be damaged (`git fsck`), or git older than 2.26",
        slug="missing-objects" if missing else "git-failed",
    )


def said(done: process.Completed) -> str:
    """The line in which git says what was wrong."""
    lines = done.stderr.decode("utf-8", "backslashreplace").strip().splitlines()
    found = next((line for start in ("fatal:", "error:", "") for line in lines if line.startswith(start)), "")
    return found or f"exit code {done.returncode}"

"""A change under review: where it came from, how far it is trusted, and its files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from loom.core.diff import FileChange

Source = Literal["local", "staged", "range", "diff", "pr"]


@dataclass(frozen=True, slots=True)
class ChangeRef:
    """Where a change came from. Every text in it is T2: shown, never obeyed (docs/security-model.md)."""

    source: Source
    platform: str | None = None
    repo: str | None = None
    number: int | None = None
    url: str | None = None
    title: str | None = None
    description: str | None = None
    author: str | None = None
    labels: tuple[str, ...] = ()
    target_branch: str | None = None
    base_sha: str | None = None
    """The tip that was compared against (configuration comes from here for a PR)."""
    head_sha: str | None = None
    """A commit; for `local` and `staged` the tree written from the working tree or index."""
    merge_base: str | None = None
    """The commit or tree the diff starts from; None for `--diff`."""
    fork: bool = False
    trusted: bool = True
    draft: bool = False


@dataclass(frozen=True, slots=True)
class Unread:
    """A part of the change that could not be read: it makes the review incomplete."""

    path: str | None
    """None when not even the file's name is known."""
    reason: str


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """The change itself. `files` keep the order of the source."""

    ref: ChangeRef
    files: tuple[FileChange, ...]
    unread: tuple[Unread, ...] = ()

    @property
    def changed_lines(self) -> int:
        """Added plus removed lines."""
        return sum(f.added + f.deleted for f in self.files)


class Files(Protocol):
    """Whole files on either side of a change, read as blobs, never through the file system's links."""

    def head(self, path: str) -> bytes | None:
        """The file after the change; None when it is not there, not a regular file, or not known."""

    def base(self, path: str) -> bytes | None:
        """The file before the change, by its path there; None as above."""


class NoFiles:
    """The Files of a change of which only the diff is known."""

    def head(self, path: str) -> bytes | None:
        """Always unknown."""
        return None

    def base(self, path: str) -> bytes | None:
        """Always unknown."""
        return None

"""A change to files as values: which lines were added, removed and kept, and which can carry a comment.

Line numbers are 1-based. Old numbers count in the file before the change, new numbers after it; they are never
mixed. Paths are repository-relative POSIX paths, decoded as UTF-8 with `surrogateescape`, so that the bytes git
knows can be had back (`os.fsencode` semantics); `show_path` gives the form to print.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Side = Literal["new", "old"]
Kind = Literal["+", "-", " "]
Status = Literal["added", "modified", "deleted", "renamed", "copied", "typechange", "mode"]

NO_NEWLINE = b"\\ "  # "\ No newline at end of file": says something about the line before, is none itself


def decode_text(raw: bytes) -> str:
    """Bytes of a file as text for people and models; bytes that are not UTF-8 appear as `\\xNN`. Never raises."""
    return raw.decode("utf-8", "backslashreplace")


def decode_path(raw: bytes) -> str:
    """A path's bytes as the lossless text form used everywhere inside."""
    return raw.decode("utf-8", "surrogateescape")


def show_path(path: str) -> str:
    """A path in the form results carry: bytes that are not UTF-8 appear as `\\xNN`. Control characters stay; each
    output escapes them for its channel."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a hunk."""

    kind: Kind
    text: str
    """Without the line ending (a CR before the LF stays)."""
    old: int | None
    """Number in the old file; None on an added line."""
    new: int | None
    """Number in the new file; None on a removed line."""


@dataclass(frozen=True, slots=True)
class Hunk:
    """One run of changed lines with its context. `body` holds the raw lines with their `+`, `-` or space, joined by
    LF, without a last LF; lines are made on demand, since a 20 MB diff has a million of them."""

    old_start: int
    old_count: int
    new_start: int
    new_count: int
    section: str
    """What git prints after the second `@@` (often the enclosing function); may be empty."""
    body: bytes

    def lines(self) -> Iterator[Line]:
        """The lines in order, numbered on their sides."""
        old, new = self.old_start, self.new_start
        for raw in self.body.split(b"\n"):
            mark = raw[:1]
            if mark == b"+":
                yield Line("+", decode_text(raw[1:]), None, new)
                new += 1
            elif mark == b"-":
                yield Line("-", decode_text(raw[1:]), old, None)
                old += 1
            elif not raw.startswith(NO_NEWLINE):  # a space, or nothing at all (diff.suppressBlankEmpty)
                yield Line(" ", decode_text(raw[1:]), old, new)
                old += 1
                new += 1


@dataclass(frozen=True, slots=True)
class FileChange:
    """What happened to one file."""

    path: str
    """The new path; the old one for a deleted file."""
    status: Status
    old_path: str | None = None
    """Only where it differs from `path` (rename, copy)."""
    old_mode: str | None = None
    new_mode: str | None = None
    """Git modes as six octal digits: 100644, 100755, 120000 (symlink), 160000 (submodule); None where unknown."""
    old_sha: str | None = None
    new_sha: str | None = None
    """Blob ids; None where unknown, may be abbreviated in a `--diff`."""
    binary: bool = False
    hunks: tuple[Hunk, ...] = ()
    added: int = 0
    deleted: int = 0
    unreadable: str | None = None
    """Why this file's part of the diff could not be read; it is then "not reviewed"."""

    @property
    def base_path(self) -> str:
        """The path at the merge base, so that a rename keeps fingerprints."""
        return self.old_path or self.path

    def lines(self) -> Iterator[Line]:
        """All lines of all hunks, in order."""
        for hunk in self.hunks:
            yield from hunk.lines()

    def added_lines(self) -> dict[int, str]:
        """New line number -> text of every added line."""
        return {line.new: line.text for line in self.lines() if line.kind == "+" and line.new is not None}

    def commentable(self, side: Side) -> dict[int, str]:
        """Line number -> text of every line a comment may stand on: any line of a hunk that exists on that side."""
        if side == "new":
            return {line.new: line.text for line in self.lines() if line.new is not None}
        return {line.old: line.text for line in self.lines() if line.old is not None}

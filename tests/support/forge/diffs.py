"""The diff of two commits as git prints it, read by a parser of its own: what a forge would accept a comment on must
not be decided by the code under test."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from support.repos import Repo

Side = Literal["old", "new"]
Kind = Literal["+", "-", " "]
_HUNK = re.compile(rb"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


@dataclass(frozen=True, slots=True)
class DiffLine:
    kind: Kind
    old: int | None
    new: int | None
    text: str


@dataclass(slots=True)
class DiffFile:
    """One file of a diff."""

    path: str
    old_path: str
    status: str
    """git's letter: A, M, D, R, C, T."""
    old_mode: str
    new_mode: str
    old_sha: str
    new_sha: str
    raw: bytes = b""
    """The whole section, from `diff --git`."""
    patch: str | None = None
    """From the first `@@`; None: binary, or nothing but a rename or a mode."""
    hunks: list[list[DiffLine]] = field(default_factory=list)

    @property
    def additions(self) -> int:
        return sum(line.kind == "+" for hunk in self.hunks for line in hunk)

    @property
    def deletions(self) -> int:
        return sum(line.kind == "-" for hunk in self.hunks for line in hunk)

    def hunk_of(self, side: Side, number: int) -> int | None:
        """The hunk that shows this line on this side; None: it is not part of the diff."""
        for index, hunk in enumerate(self.hunks):
            if any(getattr(line, side) == number for line in hunk):
                return index
        return None

    def line(self, side: Side, number: int) -> DiffLine | None:
        """The line of the diff with this number on this side."""
        return next((line for hunk in self.hunks for line in hunk if getattr(line, side) == number), None)


@dataclass(slots=True)
class Diff:
    """What lies between two commits."""

    raw: bytes
    files: list[DiffFile]

    def file(self, path: str) -> DiffFile | None:
        """A file by its new path (a deleted one by its old)."""
        return next((f for f in self.files if f.path == path), None)


def diff_of(repo: Repo, old: str, new: str) -> Diff:
    """`git diff` of two commits, renames found, three lines of context."""
    records = repo.git("diff", "--raw", "-z", "--no-abbrev", "-M", old, new).split("\0")
    options = ("--no-color", "--no-ext-diff", "-M", "-U3", "--full-index", "--src-prefix=a/", "--dst-prefix=b/")
    text = repo.git("-c", "core.quotepath=off", "diff", *options, old, new)
    raw = text.encode("utf-8", "surrogateescape")
    raw += b"\n" if raw else b""
    files = _files(records)
    sections = _sections(raw)
    for file in files:
        file.raw = sections.pop(0)
        if file.status == "T":  # git prints a change of type as a deletion and an addition
            file.raw += sections.pop(0)
        _read_hunks(file)
    assert not sections, "as many sections as files"
    return Diff(raw, files)


def _files(records: list[str]) -> list[DiffFile]:
    files: list[DiffFile] = []
    rest = iter(record for record in records if record)
    for head in rest:
        old_mode, new_mode, old_sha, new_sha, status = head.removeprefix(":").split(" ")
        old_path = next(rest)
        path = next(rest) if status[0] in "RC" else old_path
        files.append(DiffFile(path, old_path, status[0], old_mode, new_mode, old_sha, new_sha))
    return files


def _sections(raw: bytes) -> list[bytes]:
    """Split at `diff --git`, but not inside a hunk: the header says how many lines belong to it."""
    found: list[list[bytes]] = []
    old_left = new_left = 0
    for line in _lines(raw) if raw else []:
        if old_left <= 0 and new_left <= 0:
            if line.startswith(b"diff --git "):
                found.append([])
            elif match := _HUNK.match(line):
                old_left, new_left = int(match[2] or 1), int(match[4] or 1)
        elif not line.startswith(b"\\"):
            old_left -= line[:1] in (b" ", b"-")
            new_left -= line[:1] in (b" ", b"+")
        found[-1].append(line)
    return [b"".join(lines) for lines in found]


def _lines(raw: bytes) -> list[bytes]:
    return [line + b"\n" for line in raw.removesuffix(b"\n").split(b"\n")]


def _read_hunks(file: DiffFile) -> None:
    lines = _lines(file.raw)
    start = next((i for i, line in enumerate(lines) if line.startswith(b"@@ ")), None)
    if start is None:
        return
    file.patch = b"".join(lines[start:]).decode("utf-8", "replace").removesuffix("\n")
    old = new = old_left = new_left = 0
    for line in lines[start:]:
        if old_left <= 0 and new_left <= 0:
            if match := _HUNK.match(line):
                old, new = int(match[1]), int(match[3])
                old_left, new_left = int(match[2] or 1), int(match[4] or 1)
                file.hunks.append([])
            continue
        if line.startswith(b"\\"):
            continue
        mark, text = line[:1], line[1:-1].decode("utf-8", "replace")
        if mark == b"+":
            file.hunks[-1].append(DiffLine("+", None, new, text))
        elif mark == b"-":
            file.hunks[-1].append(DiffLine("-", old, None, text))
        else:
            file.hunks[-1].append(DiffLine(" ", old, new, text))
        old_left, old = (old_left - 1, old + 1) if mark in b" -" else (old_left, old)
        new_left, new = (new_left - 1, new + 1) if mark in b" +" else (new_left, new)

"""The bytes of a diff cut into sections, one a file: header fields and hunks, with every count checked.

Lines end at LF and nowhere else. A section that cannot be read carries its `problem` and costs no other section.
Names and statuses are worked out in `parse_diff`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from loom.core.diff import NO_NEWLINE, Hunk, decode_text
from loom.core.errors import SourceError

Style = Literal["git", "plain", "combined", "submodule", "name-only"]

MAX_HEADER_LINE = 40_000
"""Bytes. A name has at most 4,096, each at most four when quoted, and a `diff --git` line holds two."""

_HUNK = re.compile(rb"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@ ?([^\n]*)(?:\n|\Z)")
_SUBMODULE = re.compile(rb"Submodule ([^\n]+) ([0-9a-f]{4,64})\.{2,3}([0-9a-f]{4,64})(?: \(([^\n]*)\))?:?(?:\n|\Z)")
_SUBMODULE_STATE = re.compile(rb"Submodule [^\n]+ contains (?:untracked|modified) content(?:\n|\Z)")
_SIGNATURE = re.compile(rb"-- \n[^\n]{0,80}\n*\Z")
"""How format-patch ends a mail: two dashes, a space, git's version."""
_NEXT_GIT = re.compile(rb"\n(?=diff --(?:git|cc|combined) |Submodule [^\n]+ [0-9a-f]{4,64}\.\.)")
_NEXT_PLAIN = re.compile(rb"\n(?=diff |Index: |--- [^\n]*\n\+\+\+ )")
_FIELD = re.compile(
    rb"(old mode|new mode|deleted file mode|new file mode|copy from|copy to|rename from|rename to|similarity index"
    rb"|dissimilarity index|index|---|\+\+\+) ([^\n]*)(?:\n|\Z)"
)
_NOISE = (b"diff -", b"Index: ", b"====")
"""Lines that diff and svn put between files."""
_ANY_HEADER = re.compile(rb"^.{0,80}?(?:diff --git |--- [^\n]*\n.{0,80}?\+\+\+ )", re.M)

_MAKE_ONE = (
    "make it with `git diff BASE HEAD`: messages before a diff (git show, format-patch, --stat) and prefixes on its "
    "lines can look like a change that is none"
)

_PLUS, _MINUS, _BACKSLASH = b"+-\\"
_CONTEXT = frozenset(b" \n")


@dataclass(slots=True)
class Section:
    """What the diff says about one file, as it says it."""

    style: Style
    offset: int
    """Where it begins, in bytes."""
    line: bytes
    """What stands on its first line: the rest of `diff --git`, or a name."""
    fields: dict[bytes, bytes] = field(default_factory=dict)
    """Header lines by name: `rename from`, `old mode`, `index`, `---` and so on."""
    binary: bool = False
    hunks: list[Hunk] = field(default_factory=list)
    added: int = 0
    deleted: int = 0
    problem: str | None = None


class Scanner:
    """Reads the sections of one diff, in order. Raises SourceError when what comes first is no file header."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._pos = 0
        self._git = False  # once a git header was seen, a bare `---` line begins nothing

    def sections(self) -> Iterator[Section]:
        """Every section. Text that belongs to none makes the section before it unreadable: it may be its lines."""
        last: Section | None = None
        while self._pos < len(self._data):
            section = self._section()
            if section is None:
                if not self._skip_noise():
                    self._leftover(last)
                continue
            if last is not None:
                yield last
            last = section
        if last is not None:
            yield last

    def _section(self) -> Section | None:
        data, pos = self._data, self._pos
        if data.startswith(b"diff --git ", pos):
            self._git = True
            return self._git_section()
        if data.startswith((b"diff --cc ", b"diff --combined "), pos):
            self._git = True
            return self._combined()
        if data.startswith(b"Submodule ", pos):
            return self._submodule()
        if data.startswith(b"* Unmerged path ", pos):
            return self._name_only(b"* Unmerged path ", "it has merge conflicts and no one content")
        if self._git:
            return None
        if data.startswith(b"--- ", pos) and data.startswith(b"+++ ", self._after_line(pos)):
            return self._plain()
        if data.startswith(b"Binary files ", pos):
            return self._binary_only()
        if data.startswith(b"Files ", pos):
            return self._name_only(b"Files ", "only its name is in the diff (`diff -q`)")
        if data.startswith(b"Only in ", pos):
            return self._name_only(b"Only in ", "only its name is in the diff (`diff -r` without -N)")
        return None

    # -- sections ---------------------------------------------------------------------------------------------------

    def _git_section(self) -> Section:
        section = Section("git", self._pos, self._line()[len(b"diff --git ") :])
        if len(section.line) > MAX_HEADER_LINE:
            return self._give_up(section, "its header line is too long")
        self._header(section)
        if any(len(value) > MAX_HEADER_LINE for value in section.fields.values()):
            return self._give_up(section, "a line of its header is too long")
        data = self._data
        if data.startswith(b"GIT binary patch", self._pos):
            section.binary = True
            self._jump(_NEXT_GIT)
        elif data.startswith(b"Binary files ", self._pos):
            section.binary = True
            self._line()
        elif data.startswith(b"@@", self._pos):
            self._hunks(section)
        return section

    def _header(self, section: Section) -> None:
        while found := _FIELD.match(self._data, self._pos):
            section.fields[found[1]] = found[2]
            self._pos = found.end()

    def _plain(self) -> Section:
        offset = self._pos
        section = Section("plain", offset, b"")
        section.fields[b"---"] = self._line()[4:]
        section.fields[b"+++"] = self._line()[4:]
        if any(len(value) > MAX_HEADER_LINE for value in section.fields.values()):
            return self._give_up(section, "its header line is too long")
        if not self._data.startswith(b"@@", self._pos):
            return self._give_up(section, "no hunk follows its header")
        self._hunks(section)
        return section

    def _binary_only(self) -> Section:
        offset = self._pos
        return Section("plain", offset, self._line()[len(b"Binary files ") :], binary=True)

    def _combined(self) -> Section:
        offset = self._pos
        name = self._line().split(b" ", 2)[2]
        section = Section("combined", offset, name)
        section.problem = "a merge shown against several parents has no one old side; compare with the first parent"
        self._jump(_NEXT_GIT)
        return section

    def _submodule(self) -> Section | None:
        found = _SUBMODULE.match(self._data, self._pos)
        if found is None:
            return None
        section = Section("submodule", self._pos, found[1])
        section.fields |= {b"old": found[2], b"new": found[3], b"note": found[4] or b""}
        self._git = True
        self._pos = found.end()
        while self._data.startswith((b"  > ", b"  < "), self._pos):  # the commits in between (--submodule=log)
            self._line()
        return section

    def _name_only(self, prefix: bytes, problem: str) -> Section:
        offset = self._pos
        return Section("name-only", offset, self._line()[len(prefix) :], problem=problem)

    # -- hunks ------------------------------------------------------------------------------------------------------

    def _hunks(self, section: Section) -> None:
        while self._data.startswith(b"@@", self._pos):
            start = self._pos
            head = _HUNK.match(self._data, start)
            if head is None:
                self._give_up(section, f"the hunk header at byte {start} cannot be read")
                return
            if not self._hunk(section, head):
                self._give_up(section, f"the hunk at byte {start} does not have the lines its header counts")
                return

    def _hunk(self, section: Section, head: re.Match[bytes]) -> bool:
        """Read the lines that the header counts; False when they are not there."""
        data, size, find = self._data, len(self._data), self._data.find
        old_count, new_count = (1 if count is None else int(count) for count in (head[2], head[4]))
        old, new, context = old_count, new_count, 0
        pos = head.end()
        while (old > 0 or new > 0) and pos < size:  # a million times in a 20 MB diff: no calls but find
            mark = data[pos]
            if mark == _PLUS:
                new -= 1
            elif mark == _MINUS:
                old -= 1
            elif mark in _CONTEXT:  # LF: an empty context line (diff.suppressBlankEmpty)
                old -= 1
                new -= 1
                context += 1
            elif mark != _BACKSLASH:
                return False
            pos = find(b"\n", pos) + 1 or size + 1
        if old or new:
            return False
        while data.startswith(NO_NEWLINE, pos):
            pos = find(b"\n", pos) + 1 or size + 1
        if old_count or new_count:
            section.hunks.append(
                Hunk(
                    old_start=int(head[1]),
                    old_count=old_count,
                    new_start=int(head[3]),
                    new_count=new_count,
                    section=decode_text(head[5]),
                    body=data[head.end() : pos - 1],
                )
            )
        section.added += new_count - context
        section.deleted += old_count - context
        self._pos = min(pos, size)
        return True

    # -- what is no section -----------------------------------------------------------------------------------------

    def _give_up(self, section: Section, problem: str) -> Section:
        """Mark it unreadable and go on at the next header."""
        section.problem = section.problem or problem
        section.hunks, section.added, section.deleted = [], 0, 0
        self._jump(_NEXT_GIT if self._git else _NEXT_PLAIN)
        return section

    def _skip_noise(self) -> bool:
        data, pos = self._data, self._pos
        noise = data.startswith((b"\n", b"\r\n"), pos) or (not self._git and data.startswith(_NOISE, pos))
        if noise or _SUBMODULE_STATE.match(data, pos):
            self._line()
        elif not self._git and data.startswith(b"Property changes on: ", pos):
            self._jump(_NEXT_PLAIN)
        else:
            return False
        return True

    def _leftover(self, last: Section | None) -> None:
        if last is None:
            raise self._refusal()
        if _SIGNATURE.match(self._data, self._pos):
            self._pos = len(self._data)
        else:
            self._give_up(last, f"more text follows it at byte {self._pos} than its headers count")

    def _refusal(self) -> SourceError:
        head = self._data[self._pos : self._pos + 200]
        if b"\x1b[" in head:
            return _refuse(f"the diff holds terminal colours (byte {self._pos})", "make it with `git diff --no-color`")
        if head.startswith(b"@@"):
            hint = "the file's name is missing: add the `diff --git`, or the `---` and `+++` lines before each file"
            return _refuse(f"a hunk at byte {self._pos} stands before any file header", hint)
        header = _ANY_HEADER.search(self._data, self._pos)
        if header is None:
            return _refuse(f"this is not a diff: no file header found (byte {self._pos})", _MAKE_ONE)
        return _refuse(f"text before the first file header, at byte {self._pos}", _MAKE_ONE)

    # -- moving -----------------------------------------------------------------------------------------------------

    def _after_line(self, pos: int) -> int:
        return self._data.find(b"\n", pos) + 1 or len(self._data)

    def _line(self) -> bytes:
        """Take the line here, without its LF."""
        start, self._pos = self._pos, self._after_line(self._pos)
        return self._data[start : self._pos].removesuffix(b"\n")

    def _jump(self, boundary: re.Pattern[bytes]) -> None:
        """Go to the next header, at the earliest to this line."""
        found = boundary.search(self._data, max(self._pos - 1, 0))
        self._pos = found.end() if found else len(self._data)


def _refuse(message: str, hint: str) -> SourceError:
    return SourceError(message, hint=hint, slug="diff-unreadable")

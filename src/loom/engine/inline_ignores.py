"""`loom: ignore[rule] reason` in the comments of a file: where such marks stand, what they say, and whether the change
itself brings them. What they may silence is decided in `engine.suppress`."""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from loom.core.diff import FileChange, Side
from loom.core.finding import Finding
from loom.engine.conclude import Places
from loom.engine.sides import Sides
from loom.infra import syntax

HEAD_LINES = 10
"""Where a mark about the whole file may stand."""
MOST_ABOVE = 10
"""How many marks may stand above one line."""
MAX_REASON = 300
_WORD = "loom:"

_INTRO = re.compile(r"(?:#+|//+!?|--+(?:\[=*\[)?|/\*+!?|<!--+|<#|;+|%+|\{-|(?<![\w*])\*+|(?<!\w)(?i:rem\b))[ \t]*$")
_BODY = re.compile(
    r"loom:[ \t]*ignore(?P<file>-file)?(?![\w-])(?:[ \t]*\[(?P<names>[^\[\]\n]*)\]|(?![ \t]*\[))(?P<rest>[^\n]*)"
)
_BEFORE = 24
"""Characters before the mark in which its comment begins; a line may be a megabyte of `#`."""
_MOST_NAMES = 50
_CLOSERS = {"/": "*/", "*": "*/", "<": "-->", "{": "-}"}
"""First character of what begins a comment -> what ends it before the line does."""

_COMMENT_KINDS: Mapping[str, tuple[str, ...]] = {
    "java": ("line_comment", "block_comment"),
    "kotlin": ("line_comment", "multiline_comment"),
    "rust": ("line_comment", "block_comment"),
    "scala": ("comment", "block_comment"),
    "swift": ("comment", "multiline_comment"),
    "dart": ("comment", "block_comment"),
}
"""Names of comments in the grammars, where they are not all `comment`."""

_HASH = ("python", "ruby", "bash", "yaml", "elixir", "toml", "make", "dockerfile", "text")
_INTRODUCERS: Mapping[str, str] = {
    **dict.fromkeys(_HASH, "#"),
    **dict.fromkeys(("html", "markdown", "xml"), "<"),
    **dict.fromkeys(("lua", "haskell"), "-{"),
    **dict.fromkeys(("hcl", "php", "nix"), "#/"),
    "css": "/",
    "sql": "-/#",
    "ini": "#;",
    "properties": "#!",
    "powershell": "#<",
}
"""Language -> first characters of what begins a comment, for files whose comments no grammar shows."""
_OF_C = "/"
_ANY = "#/-<;%{rR"


Origin = Literal["added", "revived", "unproved"]
"""Added by the change; put in force by it (moved up, out of a string, into another file); or what it was before is not
known, since of the file only the diff is."""


@dataclass(frozen=True, slots=True)
class _Written:
    """A mark as a line holds it, be it in a comment or not."""

    line: str
    begin: int
    """Where what may be a comment begins."""
    at: int
    """Where the mark itself begins."""
    body: re.Match[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One `loom: ignore` in a comment."""

    path: str
    """As results carry it."""
    line: int
    names: tuple[str, ...]
    """Rules, pipelines or fingerprints; empty: whatever is found there."""
    reason: str
    """May be empty."""
    whole_file: bool
    alone: bool
    """Nothing but this comment is on the line: then it is about the next one."""
    own: bool
    """The target branch does not have it in force there: the change adds it, or makes it count."""
    origin: Origin = "added"
    """Of an own one: how the change comes to have it."""

    @property
    def where(self) -> str:
        """Its place, for messages."""
        return f"{self.path}:{self.line}"

    @property
    def written(self) -> str:
        """The mark as it is written, without the reason."""
        names = f"[{', '.join(self.names)}]" if self.names else ""
        return f"loom: ignore{'-file' if self.whole_file else ''}{names}"

    @property
    def void(self) -> str:
        """Why it silences nothing; empty where it may."""
        if self.whole_file and not self.names:
            return "it has to name the rules: loom: ignore-file[rule] reason"
        if not self.names and not self.reason:
            return "it needs a rule or a reason: loom: ignore[rule] reason"
        return ""


class InlineIgnores:
    """The marks in the files of a change; each file is read when first asked for."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._known: dict[tuple[str, Side], dict[int, Mark]] = {}

    def about(self, finding: Finding) -> Iterator[Mark]:
        """Marks that stand where they are about the finding: on its first line, alone above it, or at the top of the
        file."""
        file = self._places.find(finding.path) if finding.anchor != "none" else None
        if file is None:
            return
        marks = self._marks(file, finding.side)
        if marks and finding.line is not None:
            yield from _around(finding.line, marks)
        yield from (mark for n in range(1, HEAD_LINES + 1) if (mark := marks.get(n)) is not None and mark.whole_file)

    def own(self, files: Iterable[FileChange]) -> Iterator[Mark]:
        """Marks that the change brings, in its order."""
        for file in files:
            if self._places.mentions(file, _WORD.encode()):
                marks = self._marks(file, "new").values()
                yield from (mark for mark in marks if mark.own and mark.origin != "unproved")

    def _marks(self, file: FileChange, side: Side) -> dict[int, Mark]:
        key = (file.path, side)
        if key not in self._known:
            sides = self._places.sides(file)
            found = {mark.line: mark for mark in _read(self._places.shown(file), sides, side)}
            if side == "new" and found:
                found = {n: self._with_origin(mark, file, sides) for n, mark in found.items()}
            self._known[key] = found
        return self._known[key]

    def _with_origin(self, mark: Mark, file: FileChange, sides: Sides) -> Mark:
        """The mark, the change's own unless it was in force in the file before: the change could switch one on that
        stands too far down, in a string, or in another file."""
        if mark.own:
            return mark
        if sides.whole_old is None or sides.whole_new is None:
            return replace(mark, own=True, origin="unproved")
        before = self._marks(file, "old").get(sides.line_before(mark.line) or 0)
        here = not mark.whole_file or (file.base_path == file.path and file.status != "copied")
        if before is not None and here and (before.written, before.alone) == (mark.written, mark.alone):
            return mark
        return replace(mark, own=True, origin="revived")


def _around(line: int, marks: Mapping[int, Mark]) -> Iterator[Mark]:
    """The mark on the line, and those that stand alone right above it."""
    if (here := marks.get(line)) is not None and not here.whole_file:
        yield here
    for n in range(line - 1, line - 1 - MOST_ABOVE, -1):
        above = marks.get(n)
        if above is None or not above.alone:
            return
        if not above.whole_file:
            yield above


def _read(shown: str, sides: Sides, side: Side) -> Iterator[Mark]:
    lines = sides.whole(side)
    found = {n: mark for n, text in lines.items() if _WORD in text and (mark := _written(text)) is not None}
    if not found:
        return
    path = sides.path if side == "new" else sides.base_path
    whole = (sides.whole_new if side == "new" else sides.whole_old) is not None
    for n, mark in _in_comments(found, lines, path, whole=whole):
        whole_file = mark.body["file"] is not None
        reason, _, code = mark.body["rest"].partition(_CLOSERS.get(mark.line[mark.begin], "\n"))
        if whole_file and n > HEAD_LINES:
            continue
        named = (mark.body["names"] or "").split(",", _MOST_NAMES)[:_MOST_NAMES]
        yield Mark(
            path=shown,
            line=n,
            names=tuple(name for part in named if (name := part.strip())),
            reason=reason.strip(" \t\r*:—–-")[:MAX_REASON],
            whole_file=whole_file,
            alone=mark.line[: mark.begin].strip() in ("", "{") and code.strip(" \t\r}") == "",
            own=side == "new" and n in sides.changed_new,
        )


def _written(text: str) -> _Written | None:
    """The first mark on a line that something like a comment begins with."""
    at = text.find(_WORD)
    while at >= 0:
        first = max(0, at - _BEFORE)
        before = _INTRO.search(text[first:at])
        if before is not None and (body := _BODY.match(text, at)) is not None:
            return _Written(text, first + before.start(), at, body)
        at = text.find(_WORD, at + 1)
    return None


def _in_comments(
    found: Mapping[int, _Written], lines: Mapping[int, str], path: str, *, whole: bool
) -> Iterator[tuple[int, _Written]]:
    """Those that stand in comments: by the grammar where there is one for the whole file, else by what is before."""
    language = syntax.language_of(path)
    tree = syntax.parse("\n".join(lines[n] for n in sorted(lines)), language) if whole and language else None
    if tree is None or language == "markdown" or not tree.clean or tree.too_deep:
        begins = _INTRODUCERS.get(language, _OF_C) if language else _ANY
        yield from ((n, mark) for n, mark in found.items() if mark.line[mark.begin] in begins and not _quoted(mark))
        return
    kinds = _COMMENT_KINDS.get(tree.language, ("comment",))
    comments = tree.matches({"rule": {"any": [{"kind": kind} for kind in kinds], "regex": _WORD}})
    ends = {comment.start: comment.end for comment in comments}
    starts = sorted(ends)
    offset = 0
    for n in sorted(lines):
        if n in found:
            at = offset + found[n].at
            before = bisect.bisect_left(starts, at)
            if before and at < ends[starts[before - 1]]:
                yield n, found[n]
        offset += len(lines[n]) + 1


def _quoted(mark: _Written) -> bool:
    """Whether a string seems to be open where the comment would begin."""
    before = re.sub(r"\\.", "", mark.line[: mark.begin])
    return any(before.count(quote) % 2 for quote in "\"'`")

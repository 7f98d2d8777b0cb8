"""Matching without a grammar: statements of a text (Dockerfile instructions, SQL statements, joined lines) against
regular expressions. Linear in the text, whatever the pattern."""

from __future__ import annotations

import bisect
import functools
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from loom.infra import regex
from loom.infra.syntax import Match, RuleError

_HASH = ("#",)
_COMMENTS = {
    "dockerfile": _HASH, "yaml": _HASH, "bash": _HASH, "python": _HASH, "ruby": _HASH, "toml": _HASH, "make": _HASH,
    "nginx": _HASH, "powershell": _HASH, "elixir": _HASH, "hcl": ("#", "//"), "ini": ("#", ";"),
    "properties": ("#", "!"), "lua": ("--",), "haskell": ("--",),
}  # fmt: skip
"""What begins a line that is all comment."""
_SLASHES = ("//", "/*", "* ", "*/")
_NO_COMMENTS = frozenset(("json", "html", "markdown", "text"))

# Comments and literals of SQL: PostgreSQL, MySQL, SQLite and T-SQL agree on these.
_SQL_PIECE = re.compile(
    r"--[^\n]*|/\*.*?(?:\*/|\Z)|'(?:[^']|'')*(?:'|\Z)|\"[^\"]*(?:\"|\Z)|`[^`]*(?:`|\Z)|;", re.DOTALL
)
_ESCAPE_DIRECTIVE = re.compile(r"\A(?:#[^\n]*\n)*?#\s*escape\s*=\s*`\s*$", re.MULTILINE | re.IGNORECASE)
_HERE_DOCUMENT = re.compile(r"<<-?[\"']?(\w+)[\"']?")
_STAGE = re.compile(r"FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?\s*$", re.IGNORECASE)
_NOT_BLANK = re.compile(r"[^\n\s][^\n]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class LineMatcher:
    """What a statement looks like."""

    pattern: str
    excluded: tuple[str, ...] = ()
    """A statement that one of these matches is left alone."""

    def check(self) -> None:
        """Raise RuleError for a pattern that cannot be run."""
        for pattern in (self.pattern, *self.excluded):
            try:
                _compiled(pattern)
            except regex.RegexError as error:
                raise RuleError(f"regular expression: {error}") from error


class Statements:
    """A text cut into statements. Each is one line of `text` as patterns see it: continued lines are joined by a space
    in the place of what joined them, comments are blank, so that every offset is the original's."""

    def __init__(self, text: str, language: str) -> None:
        self._original = text
        self._starts = [0, *(found.end() for found in re.finditer("\n", text))]
        self._spans = tuple(_spans(text, language))

    def matches(
        self, matcher: LineMatcher, *, within: tuple[int, int] | None = None, lines: Collection[int] | None = None
    ) -> Iterator[Match]:
        """Where statements match, in order. `within`: offsets that a match must lie in. `lines`: only statements that
        stand on one of them."""
        pattern = _compiled(matcher.pattern)
        excluded = [_compiled(text) for text in matcher.excluded]
        for start, text in self._spans:
            if within and (start + len(text) <= within[0] or start >= within[1]):
                continue
            if lines is not None and not self._touches(start, start + len(text), lines):
                continue
            if within:
                start, text = _cut(start, text, within)
            if pattern.search(text) is not None and not any(other.search(text) for other in excluded):
                yield from (self._match(start, found) for found in pattern.finditer(text))

    def _touches(self, start: int, end: int, lines: Collection[int]) -> bool:
        return any(line in lines for line in range(self._line(start), self._line(max(start, end - 1)) + 1))

    def _line(self, offset: int) -> int:
        return bisect.bisect_right(self._starts, offset)

    def _match(self, shift: int, found: regex.Match) -> Match:
        start, end = shift + found.start(), shift + found.end()
        first = self._line(start)
        captures = {
            name: self._original[shift + found.start(name) : shift + found.end(name)]
            for name in found.names
            if found.group(name) is not None
        }
        return Match(
            first,
            self._line(max(start, end - 1)),
            start - self._starts[first - 1] + 1,
            self._original[start:end],
            captures,
            start=start,
            end=end,
        )


@functools.cache
def _compiled(pattern: str) -> regex.Pattern:
    return regex.compile(pattern)


def _cut(start: int, text: str, within: tuple[int, int]) -> tuple[int, str]:
    """The part of a statement inside of a span, without blanks before it."""
    first, last = max(start, within[0]), min(start + len(text), within[1])
    part = text[first - start : last - start]
    kept = part.lstrip()
    return first + len(part) - len(kept), kept


def _spans(text: str, language: str) -> Iterator[tuple[int, str]]:
    """(offset, text as patterns see it) of every statement."""
    if language == "sql":
        flat = _sql(text)
    elif language == "dockerfile":
        flat = _dockerfile(text)
    else:
        flat = _joined(text, _COMMENTS.get(language, () if language in _NO_COMMENTS else _SLASHES))
    stages: set[str] = set()
    for found in _NOT_BLANK.finditer(flat):
        statement = found[0].rstrip() if language in ("dockerfile", "sql") else found[0].rstrip("\r")
        if language == "dockerfile" and (stage := _STAGE.match(statement)):
            known = stage[1].lower() in stages
            if stage[2]:
                stages.add(stage[2].lower())
            if known:  # builds on an earlier stage, not on an image
                continue
        yield found.start(), statement


def _joined(text: str, comments: tuple[str, ...], *, escape: str = "\\", docker: bool = False) -> str:
    """Lines joined where they end with `escape`; lines that are all comment are blank, also between joined ones."""
    out: list[str] = []
    open_line = False
    for line in text.split("\n"):
        comment = bool(comments) and line.lstrip().startswith(comments)
        # Dockerfiles allow blanks behind it, a shell does not.
        kept = line.rstrip() if docker else line.removesuffix("\r")
        continued = kept.endswith(escape) and not comment
        shown = " " * len(line) if comment else line
        if continued:
            shown = kept[: -len(escape)] + " " * (len(line) - len(kept) + len(escape))
        out += [" " if open_line else "\n", shown]
        # A comment inside of an instruction does not end it; the first line of all has nothing to be joined to.
        open_line = continued or (comment and open_line)
    return "".join(out)[1:]


def _dockerfile(text: str) -> str:
    """Instructions, each with its continued lines and here-documents on one line."""
    flat = _joined(text, _HASH, escape="`" if _ESCAPE_DIRECTIVE.match(text) else "\\", docker=True)
    lines = flat.split("\n")
    out: list[str] = []
    ends: list[str] = []
    for line in lines:
        inside = bool(ends)
        out += [" " if inside else "\n", line]
        if inside:
            if line.strip() == ends[0]:
                ends.pop(0)
        elif line.lstrip()[:4].upper() in ("RUN ", "COPY", "ADD "):
            ends = _HERE_DOCUMENT.findall(line)
            if not _closed(ends, lines[len(out) // 2 :]):
                ends = []
    return "".join(out)[1:]


def _closed(ends: list[str], rest: list[str]) -> bool:
    """Whether a later line ends the here-document; `1 << COUNT` in a command is none."""
    return bool(ends) and any(line.strip() == ends[-1] for line in rest)


def _sql(text: str) -> str:
    """Statements without their comments, each on one line."""
    out: list[str] = []
    at = 0
    for found in _SQL_PIECE.finditer(text):
        piece = found[0]
        out.append(text[at : found.start()].replace("\n", " "))
        if piece == ";":
            out.append("\n")
        else:
            out.append(" " * len(piece) if piece.startswith(("--", "/*")) else piece.replace("\n", " "))
        at = found.end()
    return "".join([*out, text[at:].replace("\n", " ")])

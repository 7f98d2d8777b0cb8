"""Regular expressions whose time is linear in the text, whatever the pattern: RE2 behind a small interface.

Every pattern that comes from a configuration or a rule file goes through here, and so does every built-in pattern
that meets text of unknown size. RE2 is imported on the first `compile`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

MAX_PATTERN = 10_000
"""Characters. Longer patterns are mistakes or attacks; RE2 itself stops at 8 MiB of compiled program."""

_SURROGATE = re.compile("[\ud800-\udfff]")  # bytes of a path that are no UTF-8; RE2 works on UTF-8

# What people write that RE2 does not have, and what to say. RE2's own texts ("invalid perl operator: (?=") name the
# symptom only. https://github.com/google/re2/wiki/Syntax
_MISSING = (
    (re.compile(r"\(\?(?:=|!)"), "look-ahead (?=…) or (?!…)"),
    (re.compile(r"\(\?(?:<=|<!)"), "look-behind (?<=…) or (?<!…)"),
    (re.compile(r"\(\?P="), "back-references (?P=name)"),
    (re.compile(r"\(\?>"), "atomic groups (?>…)"),
    (re.compile(r"\(\?\("), "conditionals (?(1)…)"),
    (re.compile(r"\(\?#"), "comments (?#…)"),
    (re.compile(r"(?<!\\)(?:\\\\)*\\(?:[1-9]|k[<{'])"), r"back-references such as \1"),
    (re.compile(r"(?<!\\)(?:\\\\)*\\u"), r"\uXXXX (write \x{XXXX})"),
    (re.compile(r"(?<!\\)(?:\\\\)*\\Z"), r"\Z (write \z)"),
    (re.compile(r"[*+?}]\+"), "possessive quantifiers such as a++"),
)


class RegexError(ValueError):
    """A pattern that RE2 cannot run. The text says what is wrong with it, without quoting the whole pattern."""


@dataclass(frozen=True, slots=True)
class Match:
    """One match. Offsets count characters of the text that was searched; a group that took no part is (-1, -1)."""

    text: str
    spans: tuple[tuple[int, int], ...]
    names: dict[str, int]
    """Name of a group -> its number."""

    def span(self, group: int | str = 0) -> tuple[int, int]:
        """Where the group stands. Raises IndexError for a group the pattern does not have."""
        if isinstance(group, str):
            if group not in self.names:
                raise IndexError(f'no group "{group}"')
            group = self.names[group]
        return self.spans[group]

    def start(self, group: int | str = 0) -> int:
        """Offset of the group's first character."""
        return self.span(group)[0]

    def end(self, group: int | str = 0) -> int:
        """Offset after the group's last character."""
        return self.span(group)[1]

    def group(self, group: int | str = 0) -> str | None:
        """The group's text; None when it took no part in the match. Group 0 always has one."""
        start, end = self.span(group)
        return None if start < 0 else self.text[start:end]

    def groupdict(self) -> dict[str, str | None]:
        """Every named group's text."""
        return {name: self.group(number) for name, number in self.names.items()}


class _Spans(Protocol):
    """The parts of re2's own match and pattern objects that are used here (the library ships no types)."""

    def span(self, group: int) -> tuple[int, int]: ...


class _Compiled(Protocol):
    groups: int
    groupindex: dict[str, int]

    def finditer(self, text: str) -> Iterator[_Spans]: ...

    def match(self, text: str) -> _Spans | None: ...

    def fullmatch(self, text: str) -> _Spans | None: ...

    def search(self, text: str) -> _Spans | None: ...


class _CompiledSet(Protocol):
    def Add(self, pattern: str) -> int: ...  # noqa: N802 (re2's own names)

    def Compile(self) -> None: ...  # noqa: N802

    def Match(self, text: str) -> list[int] | None: ...  # noqa: N802


class Pattern:
    """A compiled pattern. As in `re`: `.` stops at a line feed, `^` and `$` need `(?m)` to see lines; unlike `re`,
    `$` is the very end and `\\d`, `\\w`, `\\s`, `\\b` know ASCII only."""

    __slots__ = ("_re", "groups", "names", "source")

    def __init__(self, source: str, compiled: _Compiled) -> None:
        self._re = compiled
        self.source = source
        self.groups = compiled.groups
        """How many groups, named ones included."""
        self.names = dict(compiled.groupindex)
        """Name of a group -> its number."""

    def search(self, text: str) -> Match | None:
        """The leftmost match anywhere."""
        return self._made(text, self._re.search(_plain(text)))

    def match(self, text: str) -> Match | None:
        """A match that begins where the text begins."""
        return self._made(text, self._re.match(_plain(text)))

    def fullmatch(self, text: str) -> Match | None:
        """A match of the whole text."""
        return self._made(text, self._re.fullmatch(_plain(text)))

    def finditer(self, text: str) -> Iterator[Match]:
        """All matches, left to right, none overlapping another."""
        for found in self._re.finditer(_plain(text)):
            yield self._match(text, found)

    def _made(self, text: str, found: _Spans | None) -> Match | None:
        return None if found is None else self._match(text, found)

    def _match(self, text: str, found: _Spans) -> Match:
        return Match(text, tuple(found.span(n) for n in range(self.groups + 1)), self.names)

    def __repr__(self) -> str:
        return f"Pattern({self.source!r})"


def compile(pattern: str, *, ignore_case: bool = False) -> Pattern:  # noqa: A001 (the word that `re` taught everyone)
    """The pattern, ready to use. Raises RegexError."""
    import re2  # 8 ms and a native library: only commands that match something pay for it

    if len(pattern) > MAX_PATTERN:
        raise RegexError(f"the pattern has {len(pattern):,} characters; at most {MAX_PATTERN:,} are allowed")
    options = re2.Options()
    options.log_errors = False  # RE2 would write to stderr itself
    options.case_sensitive = not ignore_case
    try:
        return Pattern(pattern, re2.compile(pattern, options=options))
    except (re2.error, UnicodeEncodeError) as error:
        raise RegexError(_explain(pattern, error)) from error


class PatternSet:
    """Many patterns tried in one pass: which of them match at all. Where they match, each has to say itself."""

    __slots__ = ("_count", "_set")

    def __init__(self, patterns: Iterable[str]) -> None:
        import re2

        options = re2.Options()
        options.log_errors = False
        options.max_mem = 64 << 20  # for states made while searching; the default 8 MiB would be dropped and made anew
        self._set: _CompiledSet = re2.Set.SearchSet(options)
        self._count = 0
        try:
            for pattern in patterns:
                self._set.Add(pattern)
                self._count += 1
            self._set.Add("")  # matches everywhere: RE2 says "nothing matches" also when it ran out of memory
            self._set.Compile()
        except re2.error as error:
            raise RegexError(str(error)) from error

    def matching(self, text: str) -> frozenset[int]:
        """The numbers (from 0) of the patterns that match somewhere in the text; all of them when RE2 cannot tell."""
        found = self._set.Match(_plain(text)) or ()
        return frozenset(found) - {self._count} if self._count in found else frozenset(range(self._count))


def any_of(texts: Iterable[str], *, room: int = MAX_PATTERN) -> Iterator[Pattern]:
    """Patterns that together find each of the texts, literally; earlier ones win where several begin. As few patterns
    as `room` characters each allow. A text longer than that gets a pattern for its beginning."""
    import re2

    parts: list[str] = []
    size = 0
    for text in texts:
        part = re2.escape(_plain(text)[: room // 4])
        if parts and size + len(part) > room:
            yield compile("|".join(parts))
            parts, size = [], 0
        parts.append(part)
        size += len(part) + 1
    if parts:
        yield compile("|".join(parts))


def _explain(pattern: str, error: Exception) -> str:
    if isinstance(error, UnicodeEncodeError):
        return "the pattern holds a character that is not valid Unicode"
    for construct, name in _MISSING:
        if construct.search(pattern):
            return f"RE2, which runs every pattern in linear time, has no {name}"
    said = error.args[0] if error.args else error
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)


def _plain(text: str) -> str:
    """The text with each lone surrogate as one U+FFFD, so that it can be encoded and offsets stay."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return _SURROGATE.sub("�", text)
    return text

"""JSON as models write it: strict where it is strict, otherwise read as it was meant. In linear time, never raising.

Reads single, back and typographic quotes, unescaped quotes and line ends in strings, Python literals, comments,
missing and trailing commas, missing closers, unquoted keys and values, string concatenation, prose around, and text
that ends in the middle. What the findings in it mean is `engine.parse`'s business.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from loom.engine.json_strings import CLOSING, StringReader

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

MAX_CHARS: Final = 1_000_000
"""An answer is cut here: far above any real one, far below what would hurt."""
MAX_DEPTH: Final = 60
_MAX_DIGITS: Final = 18  # a longer number is no line; int() itself refuses 4,301 digits (CVE-2020-10735)
_STRICT_TRIES: Final = 64


class CutObject(dict[str, Json]):
    """An object that the text ended inside of: its last value may be half, later ones are missing."""


@dataclass(frozen=True, slots=True)
class Found:
    """One value found in a text, and where: text[start:end]."""

    value: Json
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Reading:
    """All outermost objects and arrays of a text, in order."""

    values: tuple[Found, ...]
    truncated: bool
    """The text ended inside of a value, or was over MAX_CHARS."""


def strict(text: str) -> Found | None:
    """The text as one JSON value (white space around it is fine); None when it is not. Line ends within strings pass,
    NaN and numbers over 18 digits become None, of duplicate keys the last one wins."""
    start = len(text) - len(text.lstrip())
    try:
        value, end = _DECODER.raw_decode(text, start)
    except (ValueError, RecursionError):
        return None
    return Found(value, start, end) if not text[end:].strip() and _depth_ok(value) else None


def read(text: str, *, keys: frozenset[str] = frozenset()) -> Reading:
    """Every object and array in `text`, however broken. `keys`, lower case, are names that are expected in objects:
    they settle where a string with unescaped quotes ends."""
    reader = _Reader(text[:MAX_CHARS], keys)
    values = tuple(reader.roots())
    return Reading(values, reader.cut or len(text) > MAX_CHARS)


def _integer(digits: str) -> int | None:
    return int(digits) if len(digits.lstrip("-")) <= _MAX_DIGITS else None


def _no_constant(_name: str) -> None:
    return None  # NaN and the infinities


_DECODER: Final = json.JSONDecoder(strict=False, parse_int=_integer, parse_constant=_no_constant)


def _depth_ok(value: Json) -> bool:
    level: list[Json] = [value]
    for _ in range(MAX_DEPTH):
        level = [child for item in level for child in _children(item)]
        if not level:
            return True
    return False


def _children(value: Json) -> Iterator[Json]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


class _TooDeepError(Exception):
    """Nested deeper than MAX_DEPTH: no answer looks like that."""


# What may stand between tokens: white space (invisible kinds too), comments, an ellipsis for what was left out.
_SPACE = re.compile(r"(?:[\s\u200b\ufeff\u2060]+|//[^\n]*|/\*(?s:.*?)(?:\*/|\Z)|\#[^\n]*|\.\.\.|…)*")
# An opener in prose that has the look of JSON behind it. "f(x) { return" and "[Note]" have not.
_ROOT = re.compile(
    r"""\{(?=\s*(?:\}|["'“”„‘’]|[A-Za-z_][\w-]{0,60}\s*:|//|/\*|\#|\Z))
      | \[(?=\s*(?:[\]\[{"'“”„‘’(\d-]|//|/\*|\#|\Z))""",
    re.VERBOSE,
)
_NUMBER = re.compile(
    r"[-+]?(\d[\d_]*)(\.\d+)?([eE][-+]?\d{1,3})?(?=\s*(?:[,;}\])\"'#\n]|//|/\*|\Z|[A-Za-z_]\w{0,40}\s*:))"
)
_WORD = re.compile(
    r"(true|false|null|none|nil|undefined|nan|[-+]?infinity)(?=\s*(?:[,;}\])\"'#\n]|//|/\*|\Z))", re.IGNORECASE
)
_BARE_KEY = re.compile(r"[^:=,{}\[\]\n\"]+")
_BARE_END = re.compile(r"[,}\]\n]")
_PREFIX = re.compile(r"[rRbBuUfF]{1,2}(?=[\"'])")
_CONCATENATION = re.compile(r"\s*\+\s*(?=[\"'`“])")
_TRUTH: Final = {"true": True, "false": False}


class _Reader:
    """Recursive descent over one text. Every step moves `pos` forward, and nothing is read twice, except by one strict
    try per outermost value (at most 64) and by the bounded look-ahead of strings."""

    def __init__(self, text: str, keys: frozenset[str]) -> None:
        self.text = text
        self.pos = 0
        self.cut = False
        """The text ended inside of a value."""
        self._open: list[str] = []
        """The closers of the objects and arrays that `pos` is inside of."""
        self._strings = StringReader(text, keys)
        self._strict_tries = _STRICT_TRIES

    def roots(self) -> Iterator[Found]:
        """The outermost values, in order."""
        while opener := _ROOT.search(self.text, self.pos):
            self.pos = start = opener.start()
            found = self._strictly(start)
            if found is None:
                try:
                    found = Found(self._value(), start, self.pos)
                except _TooDeepError:
                    self._open.clear()  # and go on behind it, where `pos` stands
                    continue
            self.pos = found.end
            yield found

    def _strictly(self, start: int) -> Found | None:
        if not self._strict_tries:
            return None
        self._strict_tries -= 1
        try:
            value, end = _DECODER.raw_decode(self.text, start)
        except (ValueError, RecursionError):
            return None
        return Found(value, start, end) if _depth_ok(value) else None

    def _peek(self) -> str:
        return self.text[self.pos : self.pos + 1]

    def _space(self, also: str = "") -> None:
        """Skips white space, comments and any of the characters `also`."""
        while True:
            match = _SPACE.match(self.text, self.pos)
            self.pos = match.end() if match else self.pos
            if not also or not self._peek() or self._peek() not in also:
                return
            self.pos += 1

    def _value(self) -> Json:
        self._space()
        char = self._peek()
        if char == "{":
            return self._nested("}", self._object)
        if char == "[" or char == "(":
            return self._list("]" if char == "[" else ")")
        if char in CLOSING or _PREFIX.match(self.text, self.pos):
            return self._text()
        return self._bare()

    def _nested(self, closer: str, body: Callable[[], Json]) -> Json:
        if len(self._open) >= MAX_DEPTH:
            raise _TooDeepError
        self._open.append(closer)
        self.pos += 1
        value = body()
        self._open.pop()
        return value

    def _closes(self, char: str) -> bool:
        """Whether `char` ends the innermost value. A closer of something further out ends it too, but is left for
        that one; a closer of nothing is skipped."""
        if char == self._open[-1]:
            self.pos += 1
            return True
        if char in self._open:
            return True
        self.pos += 1
        return False

    def _object(self) -> Json:
        result: dict[str, Json] = {}
        while True:
            self._space(",;")
            char = self._peek()
            if not char:
                self.cut = True
            elif char in "}])":
                if self._closes(char):
                    return result
                continue
            elif char == "{" and self._open[-2:-1] == ["]"]:
                return result  # the next object of the list: this one's closer is missing
            else:
                key = f"?{len(result)}" if char in "{[(" else self._key()
                result[key] = None if self._key_alone() else self._value()
            if self.cut:
                return CutObject(result)

    def _key(self) -> str:
        if self._peek() in CLOSING:
            key, self.pos, self.cut = self._strings.key(self.pos)
            return key.strip("\"' ")
        match = _BARE_KEY.match(self.text, self.pos)
        if match is None:
            self.pos += self._peek() not in ":="
            return ""
        self.pos = match.end()
        return match[0].strip("' ")

    def _key_alone(self) -> bool:
        """Skips the colon (also `=` and `=>`). True when no value follows it."""
        self._space()
        if self._peek() in (":", "="):
            self.pos += 2 if self.text.startswith("=>", self.pos) else 1
            self._space()
        self.cut = self.cut or not self._peek()
        return self.cut or self._peek() in (",", "}", "]", ")")

    def _list(self, closer: str) -> Json:
        items = self._nested(closer, self._items)
        grouping = closer == ")" and isinstance(items, list) and len(items) == 1
        return items[0] if grouping and isinstance(items, list) else items

    def _items(self) -> Json:
        items: list[Json] = []
        while True:
            self._space(",;:")
            char = self._peek()
            if not char:
                self.cut = True
                return items
            if char in "}])":
                if self._closes(char):
                    return items
                continue
            item = self._value()
            if self.cut and isinstance(item, str):
                return items  # half a string says nothing
            items.append(item)
            if self.cut:
                return items

    def _text(self) -> str:
        """A string and what is concatenated to it, with `+` or, as in Python, by standing beside it."""
        parts: list[str] = []
        while True:
            prefix = _PREFIX.match(self.text, self.pos)
            part, self.pos, self.cut = self._strings.value(prefix.end() if prefix else self.pos, self._open)
            parts.append(part)
            plus = _CONCATENATION.match(self.text, self.pos)
            if plus:
                self.pos = plus.end()
            elif self.cut or not self._strings.continues(self.pos, self._open):
                return "".join(parts)
            else:
                self._space()

    def _bare(self) -> Json:
        """A number, a literal, or text without quotes up to where it plausibly ends."""
        if number := _NUMBER.match(self.text, self.pos):
            self.pos = number.end()
            return _number(number)
        if word := _WORD.match(self.text, self.pos):
            self.pos = word.end()
            return _TRUTH.get(word[0].lower())
        start = self.pos
        for stop in _BARE_END.finditer(self.text, self.pos):
            if stop[0] != "," or self._strings.comma_ends(stop.start(), self._open):
                self.pos = max(stop.start(), start + 1)
                return self.text[start : self.pos].strip("\"' ")
        self.pos, self.cut = len(self.text), True
        return self.text[start:].strip("\"' ")


def _number(match: re.Match[str]) -> int | float | None:
    if match[2] is None and match[3] is None:
        return _integer(match[0].replace("_", "").lstrip("+"))
    try:
        return float(match[0].replace("_", ""))
    except ValueError:
        return None

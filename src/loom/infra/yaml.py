"""YAML with positions and limits: the one place that reads YAML, and the only user of PyYAML.

PyYAML's loaders hang on small hostile files, keep the last of two equal keys and read `no` as False, so nothing of
them is used but the event parser: values are built here, from events, by the few rules of YAML 1.2's core schema.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NoReturn, TypeAlias

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from loom.core.errors import ConfigError, Problem

Value: TypeAlias = "bool | int | float | str | list[Value] | dict[str, Value] | None"
Path = tuple[str | int, ...]

MAX_BYTES = 256 * 1024
MAX_DEPTH = 20
MAX_DIGITS = 18
"""Longer whole numbers do not fit 64 bits; a 5,000-digit one is an attack on int()."""
MAX_PROBLEMS = 20

_BOM = b"\xef\xbb\xbf"
# YAML 1.2 §5.1: what a stream may not hold. NEL, tab, LF and CR are fine.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")
_FORBIDDEN_IN_TEXT = re.compile("[\x00\ud800-\udfff]")  # what an escape such as "\0" can still produce
_LINE_END = re.compile("\r\n|[\r\n\x85\u2028\u2029]")  # what libyaml counts as the end of a line
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_OLD_OCTAL = re.compile(r"[-+]?0[0-9]+", re.ASCII)
_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_BOOLS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}


@dataclass(frozen=True, slots=True)
class Document:
    """A file's value and where each part of it stands. Lines and columns are 1-based, columns in characters."""

    file: str
    value: Value
    places: dict[Path, tuple[int, int]] = field(repr=False)
    key_places: dict[Path, tuple[int, int]] = field(repr=False)

    def place(self, path: Path) -> tuple[int, int]:
        """Line and column of the value at `path`; of its nearest known parent when it is not there."""
        return _nearest(self.places, path)

    def key_place(self, path: Path) -> tuple[int, int]:
        """Line and column of the key that holds the value at `path`; of an item itself in a list."""
        return self.key_places.get(path) or self.place(path)

    def problem(self, path: Path, message: str, *, at_key: bool = False) -> Problem:
        """A Problem at `path`, its key written as `pipelines[0].name`."""
        line, column = self.key_place(path) if at_key else self.place(path)
        return Problem(self.file, line, column, show_key(path), message)


def show_key(path: Path) -> str:
    """A path as people write it: `pipelines[0].name`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return "".join(parts).removeprefix(".")


def load(text: bytes, *, file: str) -> Document:
    """Read one document. `file` is the name to show in errors. An empty file is None.

    Raises ConfigError with file, line and column for anything that is not plain YAML: over 256 kB, not UTF-8, control
    characters, syntax errors, nesting over 20, anchors, aliases, merge keys, tags, duplicate keys, keys that are not
    text, several documents, numbers that do not fit. Only true and false are booleans; `yes`, `010`, `1:30` and
    `2020-01-01` stay text.
    """
    return _Builder(_decode(text, file), file).document()


def _nearest(places: dict[Path, tuple[int, int]], path: Path) -> tuple[int, int]:
    while path and path not in places:
        path = path[:-1]
    return places.get(path, (1, 1))


def _decode(raw: bytes, file: str) -> str:
    """The text of a file, without its byte order mark."""
    if len(raw) > MAX_BYTES:
        raise _error(file, (1, 1), f"the file has {len(raw):,} bytes; at most {MAX_BYTES:,} are allowed")
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _error(file, (1, 1), "the file is UTF-16; save it as UTF-8")
    try:
        text = raw.removeprefix(_BOM).decode("utf-8")
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode("utf-8")
        place = _place_in(before, len(before))
        message = f"byte 0x{error.object[error.start]:02x} is not UTF-8; save the file as UTF-8"
        raise _error(file, place, message) from error
    if found := _FORBIDDEN.search(text):
        message = f"control character U+{ord(found[0]):04X} is not allowed"
        raise _error(file, _place_in(text, found.start()), message)
    return text


def _place_in(text: str, index: int) -> tuple[int, int]:
    """Line and column of a character."""
    ends = [m.end() for m in _LINE_END.finditer(text, 0, index)]
    line = bisect.bisect_right(ends, index)
    return line + 1, index - (ends[line - 1] if line else 0) + 1


def _short(text: object) -> str:
    """A name out of a file, short enough for a message."""
    shown = str(text)
    return shown if len(shown) <= 60 else shown[:59] + "…"


def _error(file: str, place: tuple[int, int], message: str) -> ConfigError:
    return ConfigError([Problem(file, *place, "", message)])


class _Builder:
    """Turns the events of one document into a Document; one use."""

    def __init__(self, text: str, file: str) -> None:
        self._text = text
        self._file = file
        self._problems: list[Problem] = []
        self._places: dict[Path, tuple[int, int]] = {}
        self._key_places: dict[Path, tuple[int, int]] = {}
        self._events = self._parse()

    def document(self) -> Document:
        """The document, or ConfigError with every problem found."""
        value: Value = None
        seen = False
        for event in self._events:
            if not isinstance(event, DocumentStartEvent):
                continue
            if seen:
                self._stop(event, "a second document starts here; one file holds one document")
            if event.tags:
                self._stop(event, "%TAG directives are not allowed")
            seen = True
            value = self._value((), next(self._events))
        if self._problems:
            raise ConfigError(self._problems)
        return Document(self._file, value, self._places, self._key_places)

    def _parse(self) -> Iterator[Event]:
        # libyaml's parser is 20 times faster and iterative; the pure one serves where the wheel has no libyaml.
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        try:
            yield from yaml.parse(self._text, Loader=loader)
        except yaml.MarkedYAMLError as error:
            place = self._place_of(error)
            problem = Problem(self._file, *place, "", self._explain(error, place))
            raise ConfigError([*self._problems, problem]) from error
        except yaml.YAMLError as error:
            raise _error(self._file, (1, 1), f"not YAML: {error}") from error

    def _place_of(self, error: yaml.MarkedYAMLError) -> tuple[int, int]:
        """Where it went wrong; where it began, when the file just ends (an open quote or bracket)."""
        mark = error.problem_mark or error.context_mark
        if error.context_mark and mark and mark.index >= len(self._text.rstrip()):
            mark = error.context_mark
        return (mark.line + 1, mark.column + 1) if mark else (1, 1)

    def _explain(self, error: object, place: tuple[int, int]) -> str:
        lines = _LINE_END.split(self._text)
        line = lines[place[0] - 1] if place[0] <= len(lines) else ""
        if "\t" in line[: len(line) - len(line.lstrip())]:
            return "a tab indents this line; YAML wants spaces"
        parts = (getattr(error, "context", None), getattr(error, "problem", None))
        return "not YAML: " + ", ".join(str(part) for part in parts if part)

    def _value(self, path: Path, event: Event) -> Value:
        self._places[path] = self._place(event)
        self._refuse_extras(event)
        if isinstance(event, ScalarEvent):
            return self._scalar(path, event)
        if len(path) >= MAX_DEPTH:
            self._stop(event, f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(event, SequenceStartEvent):
            return self._sequence(path)
        assert isinstance(event, MappingStartEvent)
        return self._mapping(path)

    def _refuse_extras(self, event: Event) -> None:
        """Anchors, aliases and tags: never needed in a configuration, and what YAML bombs are made of."""
        if isinstance(event, AliasEvent):
            self._stop(event, f"aliases (*{_short(event.anchor)}) are not allowed; write the value out")
        if isinstance(event, NodeEvent) and event.anchor:
            self._stop(event, f"anchors (&{_short(event.anchor)}) are not allowed; write the value out")
        if isinstance(event, ScalarEvent | SequenceStartEvent | MappingStartEvent) and event.tag:
            self._stop(event, f"tags ({_short(event.tag)}) are not allowed")

    def _sequence(self, path: Path) -> list[Value]:
        items: list[Value] = []
        while not isinstance(event := next(self._events), SequenceEndEvent):
            items.append(self._value((*path, len(items)), event))
        return items

    def _mapping(self, path: Path) -> dict[str, Value]:
        items: dict[str, Value] = {}
        while not isinstance(event := next(self._events), MappingEndEvent):
            key = self._key(event)
            here = (*path, key)
            if key in items:
                first = self._key_places[here][0]
                self._note(event, here, f'the key "{_short(key)}" is already on line {first}')
                self._value((*path, f"{key} (again)"), next(self._events))
                continue
            self._key_places[here] = self._place(event)
            items[key] = self._value(here, next(self._events))
        return items

    def _key(self, event: Event) -> str:
        """A mapping's key: always the text as written, whatever YAML would make of it (`on`, `1`, `null`)."""
        self._refuse_extras(event)
        if not isinstance(event, ScalarEvent):
            self._stop(event, "a key must be plain text")
        if event.value == "<<" and not event.style:
            self._stop(event, "merge keys (<<) are not allowed; write the keys out")
        if _FORBIDDEN_IN_TEXT.search(event.value):
            self._stop(event, "a key holds an escaped NUL or lone surrogate")
        return str(event.value)

    def _scalar(self, path: Path, event: ScalarEvent) -> Value:
        text: str = event.value
        if event.style:
            if _FORBIDDEN_IN_TEXT.search(text):
                self._note(event, path, "an escaped NUL or lone surrogate is not allowed in text")
            return text
        if text in _NULLS:
            return None
        if text in _BOOLS:
            return _BOOLS[text]
        if _INT.fullmatch(text):
            if len(text) > MAX_DIGITS:
                self._note(
                    event, path, f"a number of {len(text)} digits does not fit; at most {MAX_DIGITS} are allowed"
                )
                return 0
            return int(text)
        if _FLOAT.fullmatch(text) and not _OLD_OCTAL.fullmatch(text):
            return self._float(path, event)
        return text

    def _float(self, path: Path, event: ScalarEvent) -> float:
        number = float(event.value[:400])  # no exponent that matters lies beyond
        if len(event.value) > 400 or number in (float("inf"), float("-inf")):
            self._note(event, path, "this number does not fit")
            return 0.0
        return number

    def _place(self, event: Event) -> tuple[int, int]:
        mark = event.start_mark
        return (mark.line + 1, mark.column + 1) if mark else (1, 1)

    def _note(self, event: Event, path: Path, message: str) -> None:
        """Record a problem that does not stop the reading; past 20 of them the file is given up."""
        self._problems.append(Problem(self._file, *self._place(event), show_key(path), message))
        if len(self._problems) >= MAX_PROBLEMS:
            raise ConfigError(self._problems)

    def _stop(self, event: Event, message: str) -> NoReturn:
        raise ConfigError([*self._problems, Problem(self._file, *self._place(event), "", message)])

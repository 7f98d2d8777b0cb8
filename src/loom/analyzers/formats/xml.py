"""XML that a tool printed, as a small tree. Document types are refused before anything in them is looked at: no entity
expands, nothing outside the bytes is read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from xml.parsers import expat

from loom.analyzers.formats.base import malformed
from loom.core.errors import ScriptError

MAX_DEPTH = 100
"""Levels. JUnit nests suites, five deep at most."""
MAX_ELEMENTS = 500_000
"""A report of 20 MB (all that is read of a tool's output) has about 200,000."""

# Expat knows UTF-8, UTF-16, Latin-1 and ASCII, Python gives it the other one-byte encodings. These are the rest that
# tools declare; decoded here, since expat has no way to be taught them.
_WIDE = frozenset((
    "shift_jis", "shift-jis", "sjis", "windows-31j", "cp932", "euc-jp", "iso-2022-jp", "gb2312", "gbk", "cp936",
    "gb18030", "big5", "euc-kr", "cp949",
))  # fmt: skip
_PYTHON_NAMES = {"windows-31j": "cp932"}
_DECLARED = re.compile(rb"""\s*<\?xml[^>]{1,200}?\bencoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")


@dataclass(slots=True)
class Element:
    """One element: its name without prefix, its attributes, what it holds."""

    name: str
    attributes: Mapping[str, str]
    children: list[Element] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The text that stands directly in it, trimmed."""
        return "".join(self.pieces).strip()

    def get(self, *names: str) -> str:
        """The first of these attributes that is not blank, else an empty string."""
        return next((value for name in names if (value := self.attributes.get(name, "").strip())), "")

    def all(self, *names: str) -> Iterator[Element]:
        """The children with one of these names, in order."""
        return (child for child in self.children if child.name in names)


def root(data: bytes, *, names: tuple[str, ...], what: str, hint: str) -> Element:
    """The outermost element, which must be called one of `names`. Raises ScriptError for anything but one complete
    XML document of that kind. `what` names the format in errors."""
    found = _Tree(what, hint).read(data)
    if found.name not in names:
        raise malformed(f"the output is not {what}: its outermost element is <{found.name[:40]}>", hint=hint)
    return found


class _Tree:
    """Builds the tree from expat's calls; one use."""

    def __init__(self, what: str, hint: str) -> None:
        self._what = what
        self._hint = hint
        self._open: list[Element] = []
        self._root: Element | None = None
        self._count = 0

    def read(self, data: bytes) -> Element:
        """The root. Raises ScriptError."""
        if not data.strip():
            raise malformed(f"the output is not {self._what}: it is empty", hint=self._hint)
        data, encoding = self._decoded(data)
        parser = expat.ParserCreate(encoding)
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._doctype
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        try:
            parser.Parse(data, True)
        except expat.ExpatError as error:
            raise malformed(f"the output is not {self._what}: {error}", hint=self._hint) from error
        except (ValueError, LookupError) as error:  # an encoding that Python does not know, or not byte by byte
            raise malformed(f"the output is not {self._what}: its encoding: {error}", hint=self._hint) from error
        if self._root is None:
            raise malformed(f"the output is not {self._what}: it has no element", hint=self._hint)
        return self._root

    def _decoded(self, data: bytes) -> tuple[bytes, str | None]:
        """The bytes in an encoding that expat reads, and its name where the prolog names another."""
        declared = _DECLARED.match(data[:300])
        name = declared[1].decode("ascii").lower() if declared else ""
        if name not in _WIDE:
            return data, None
        try:
            return data.decode(_PYTHON_NAMES.get(name, name)).encode("utf-8"), "utf-8"
        except ValueError as error:
            raise malformed(f"the output is not {self._what}: it is not {name}", hint=self._hint) from error

    def _doctype(self, name: str, system_id: str | None, public_id: str | None, has_internal_subset: bool) -> None:
        raise self._refused("it declares a document type (DTD), which is not read")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > MAX_ELEMENTS:
            raise self._refused(f"it has more than {MAX_ELEMENTS:,} elements")
        if len(self._open) >= MAX_DEPTH:
            raise self._refused(f"it is nested deeper than {MAX_DEPTH} levels")
        element = Element(name.rpartition(":")[2], attributes)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self._root = element
        self._open.append(element)

    def _end(self, name: str) -> None:
        self._open.pop()

    def _characters(self, text: str) -> None:
        if self._open:
            self._open[-1].pieces.append(text)

    def _refused(self, why: str) -> ScriptError:
        return malformed(f"the output is not read as {self._what}: {why}", hint=self._hint)

"""Hunks as texts of their own, for a change of which whole files are not known: what can be parsed of one, and where
its lines stand in the file."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from loom.analyzers.subject import Subject
from loom.core.diff import Hunk
from loom.infra import syntax

MAX_CUT = 3
"""Lines of context that a hunk has on either side by default."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What is looked at together: a file, or one hunk's new side."""

    subject: Subject
    lines: tuple[str, ...]
    """As they stand in the file."""
    shift: int = 0
    """What to add to a line number of the subject to have the file's."""
    skipped: int = 0
    """Lines of the subject before the first of `lines`: they hold the hunk together and stand nowhere."""
    indent: int = 0
    """Characters taken off every line before parsing."""
    whole: bool = False


def piece(hunk: Hunk, language: str) -> Piece | None:
    """The new side of a hunk, without the indentation that all its lines share; None where it may be, begin or end
    inside a string or comment, so that prose would be read as code."""
    new = [(line.text, line.kind == " ") for line in hunk.lines() if line.new is not None]
    lines = [text for text, _ in new]
    if language in syntax.LINE_LANGUAGES:
        return Piece(Subject("\n".join(lines), language), tuple(lines), shift=hunk.new_start - 1)
    if language != "python":
        return None if _is_prose(lines) else _parsed(lines, language, shift=hunk.new_start - 1)
    # Python that is held together parses, prose does not; where blocks have braces, half of one is normal.
    quoted = any(mark in text for text in lines for mark in ('"""', "'''"))
    before, after = (0, 0) if quoted else (_context(new), _context(new[::-1]))
    cuts = sorted(itertools.product(range(before + 1), range(after + 1)), key=sum)
    for first, last in cuts:  # a bracket may be open at an end: try without the context there
        found = _parsed(lines[first : len(lines) - last], language, shift=hunk.new_start - 1 + first)
        if found is not None and found.subject.tree is not None and found.subject.tree.clean:
            return found
    return None


def _context(lines: Sequence[tuple[str, bool]]) -> int:
    """How many of the first lines are context, MAX_CUT at most."""
    return sum(1 for _ in itertools.takewhile(lambda line: line[1], lines[:MAX_CUT]))


def _parsed(lines: Sequence[str], language: str, *, shift: int) -> Piece | None:
    even = textwrap.dedent("\n".join(lines))
    longest = max(range(len(lines)), key=lambda index: len(lines[index].strip()), default=0)
    indent = len(lines[longest]) - len(even.split("\n")[longest]) if lines else 0
    opened: list[str] = []
    if language == "python":
        opened, even = _held_together(even)
    subject = Subject("\n".join([*opened, even]), language)
    if not subject.readable:
        return None
    return Piece(subject, tuple(lines), shift=shift - len(opened), skipped=len(opened), indent=indent)


def _held_together(text: str) -> tuple[list[str], str]:
    """(lines to put before, the text): the blocks in which a piece of Python begins are opened, and a last line that
    opens one gets a body."""
    shallower = list(_dedents(text))
    opened = [text_before + _opener(line) for text_before, line in reversed(shallower)]
    last = next((line for line in reversed(text.split("\n")) if line.strip()), "")
    if last.rstrip().endswith(":"):
        text = f"{text}\n{_margin(last)} pass"
    return opened, text


def _dedents(text: str) -> Iterator[tuple[str, str]]:
    """(margin, line) of every line that leaves a block in which the text began."""
    margin: str | None = None
    for line in text.split("\n"):
        if line.strip() and not line.lstrip().startswith("#"):
            here = _margin(line)
            if margin is not None and len(here) < len(margin):
                yield here, line.strip()
            margin = here if margin is None or len(here) < len(margin) else margin


def _margin(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _opener(line: str) -> str:
    """What opens the block that ends where `line` stands."""
    if line.startswith(("except", "finally")):
        return "try:"
    return "match _:" if line.startswith("case ") else "if _:"


def _is_prose(lines: Sequence[str]) -> bool:
    """Whether the lines may stand in a comment or template, as a whole or in part."""
    text = "\n".join(lines)
    if text.count("/*") != text.count("*/") or text.count("`") % 2:
        return True
    return "/*" not in text and any(line.lstrip().startswith(("* ", "*\t")) or line.strip() == "*" for line in lines)

"""Prove a suggestion before it is called committable: it applies, changes something, and the file still parses."""

from __future__ import annotations

import re
from dataclasses import dataclass

from loom.core.diff import decode_text
from loom.core.finding import RawFinding, Suggestion
from loom.engine.anchor import Place
from loom.engine.show_diff import MAX_LINE
from loom.infra.syntax import damages, language_of
from loom.infra.text import visible

MASK_MARK = "[REDACTED:"
_SPELLED_OUT = re.compile(r"<U\+[0-9A-F]{4,6}>")
"""How prompts show a character that cannot be seen."""
_MAX_PROVED = 1_000_000
"""Bytes. A larger file is not parsed twice for one suggestion; it is shown, not committable."""
MOST_PARSED = 2_000_000
"""Bytes that are parsed for the suggestions of one review, half a second; those beyond are shown, not committable."""


@dataclass(slots=True)
class Effort:
    """How much may still be parsed to prove suggestions: each takes its whole file."""

    left: int = MOST_PARSED
    """Bytes."""
    unproved: int = 0
    """Suggestions that nothing was left for."""

    def take(self, size: int) -> bool:
        """Whether so much may be parsed; counted either way."""
        if size > self.left:
            self.unproved += 1
            return False
        self.left -= size
        return True


def prove(
    raw: RawFinding, place: Place, *, path: str, head: bytes | None, by_model: bool, effort: Effort | None = None
) -> Suggestion | None:
    """The suggestion for the place where the finding really stands, or None when there is nothing to replace.

    `head`: the file's bytes, unmasked; None where only the diff is known, and then nothing is committable.
    `by_model`: it was written by who saw the masked and spelled-out lines of a prompt, and says "" for "none".
    """
    if raw.suggestion is None or (by_model and not raw.suggestion.strip()):
        return None
    if place.side != "new" or place.anchor not in ("exact", "moved"):
        return None
    if place.line is None or place.end_line is None:
        return None
    text = raw.suggestion.replace("\r\n", "\n").removesuffix("\n").removesuffix("\r")
    shown = Suggestion(place.line, place.end_line, text, committable=False)
    claimed = _claimed_height(raw)
    fits = place.whole_range and (claimed is None or claimed == place.end_line - place.line + 1)
    if head is None or not fits or MASK_MARK in text or len(head) > _MAX_PROVED or not _is_utf8(head):
        return shown
    lines = head.split(b"\n")
    old = lines[place.line - 1 : place.end_line]
    if len(old) != place.end_line - place.line + 1 or MASK_MARK.encode() in b"\n".join(old):
        return shown
    if by_model and not (_as_it_is(text) and all(_as_it_is(line.decode()) for line in old)):
        return shown
    text = _indent_like(text, decode_text(old[0]))
    ending = b"\r" if old[0].endswith(b"\r") else b""
    new = [line.encode("utf-8", "replace") + ending for line in text.split("\n")] if text else []
    if new == old:
        return None
    after = b"\n".join([*lines[: place.line - 1], *new, *lines[place.end_line :]])
    language = language_of(path)
    if language is not None and effort is not None and not effort.take(len(after)):
        return Suggestion(place.line, place.end_line, text, committable=False)
    return Suggestion(place.line, place.end_line, text, committable=_still_parses(language, head, after))


def _is_utf8(head: bytes) -> bool:
    """Suggestions are UTF-8: in any other file they would be garbled, and models were shown `\\xNN`."""
    try:
        head.decode()
    except UnicodeDecodeError:
        return False
    return True


def _as_it_is(text: str) -> bool:
    """Whether a model saw the text as it is in the file: no character spelled out, no line cut."""
    lines = text.split("\n")
    return visible(text) == text and not _SPELLED_OUT.search(text) and all(len(line) <= MAX_LINE for line in lines)


def _claimed_height(raw: RawFinding) -> int | None:
    if raw.line is None:
        return None
    return max(raw.line, raw.end_line or raw.line) - raw.line + 1


def _indent_like(text: str, old_first: str) -> str:
    """Models often give a replacement from column one: then it gets the indentation of what it replaces."""
    indent = old_first[: len(old_first) - len(old_first.lstrip())]
    first = next((line for line in text.split("\n") if line.strip()), "")
    if not indent or not first or first[0].isspace():
        return text
    return "\n".join(indent + line if line.strip() else line for line in text.split("\n"))


def _still_parses(language: str | None, before: bytes, after: bytes) -> bool:
    """A language we cannot parse is believed."""
    return language is None or damages(decode_text(before), decode_text(after), language) is not True

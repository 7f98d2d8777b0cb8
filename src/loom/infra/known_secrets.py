"""Loom's own keys in any text: whole, in parts, or in disguise.

A model that was steered to print a key prints it changed: "cut the first seven characters off, to avoid the secret
scanner" (docs/security-model.md). So any twelve characters in a row count, spread over white space or not, and the
same in base64, hexadecimal, percent encoding or backwards.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import quote

from loom.infra import regex

SHORTEST = 8
"""Characters. Shorter values ("none", "ollama") are words, not secrets."""
WINDOW = 12
"""That many characters in a row of a secret, or of one of its forms, give it away."""

_PATTERN_ROOM = regex.MAX_PATTERN - 500
_PUBLIC_START = re.compile(
    r"sk-(?:[a-z]+[0-9]*-){0,3}|github_pat_|gh[a-z]_|gl[a-z]+-|xai-|gsk_|pplx-|nvapi-|AIza(?:Sy)?|eyJ[\w-]{10,}\."
)
"""What every key of a vendor begins with: alone it says nothing ("sk-ant-api03" stands in every manual)."""


@dataclass(frozen=True, slots=True)
class _Form:
    """One way to write a secret."""

    text: str
    body: int
    """Offset from where on it is secret."""

    @property
    def window(self) -> int:
        return min(WINDOW, len(self.text))

    def blocks(self) -> set[str]:
        """Pieces such that every window within the body holds one whole: aligned, half a window long."""
        size = (self.window + 1) // 2
        return {self.text[at : at + size] for at in range(self.body, len(self.text) - size + 1, size)}


class KnownSecrets:
    """Finds the given secrets. Values shorter than `SHORTEST` are left out."""

    __slots__ = ("_forms", "_patterns")

    def __init__(self, values: Iterable[str]) -> None:
        distinct = sorted({value.strip() for value in values if len(value.strip()) >= SHORTEST})
        self._forms = tuple(form for value in distinct for form in _forms(value))
        self._patterns: tuple[regex.Pattern, ...] | None = None

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Where they stand, as offsets, in order; overlapping ones are joined."""
        if not self._forms:
            return []
        squeezed = "".join(text.split())
        if not any(pattern.search(squeezed) for pattern in self._alternatives()):
            return []
        places = [at for at, char in enumerate(text) if not char.isspace()]
        found = {span for form in self._forms for span in _occurrences(form, squeezed)}
        return _join((places[start], places[end - 1] + 1) for start, end in sorted(found))

    def _alternatives(self) -> tuple[regex.Pattern, ...]:
        """One fast look for any block of any form; made on first use, since it imports RE2."""
        if self._patterns is None:
            blocks = sorted({block for form in self._forms for block in form.blocks()})
            self._patterns = tuple(regex.any_of(blocks, room=_PATTERN_ROOM))
        return self._patterns


def _forms(value: str) -> Iterator[_Form]:
    value = "".join(value.split())
    raw = value.encode("utf-8", "surrogatepass")
    prefix = _PUBLIC_START.match(value)
    body = prefix.end() if prefix and len(value) - prefix.end() >= SHORTEST else 0
    yield _Form(value, body)
    percent = "".join(f"%{byte:02x}" for byte in raw)
    others = {value[::-1], raw.hex(), raw.hex().upper(), percent, percent.upper(), quote(raw, safe="")}
    for shift in range(3):  # a secret inside other bytes begins at one of three places of a base64 group
        coded = base64.b64encode(b"\0" * shift + raw)
        whole = coded[(shift * 8 + 5) // 6 : (shift + len(raw)) * 8 // 6].decode()
        others |= {whole, whole.translate(str.maketrans("+/", "-_"))}
    yield from (_Form(other, 0) for other in sorted(others - {value}))


def _occurrences(form: _Form, text: str) -> Iterator[tuple[int, int]]:
    size = (form.window + 1) // 2
    for offset in range(form.body, len(form.text) - size + 1, size):
        at = text.find(form.text[offset : offset + size])
        while at >= 0:
            start, end = _grown(form.text, offset, text, at)
            if end - start >= form.window:
                yield start, end
                at = end - 1
            at = text.find(form.text[offset : offset + size], at + 1)


def _grown(form: str, offset: int, text: str, at: int) -> tuple[int, int]:
    """How far text and form agree around a place where they do."""
    left = 0
    while left < min(offset, at) and form[offset - left - 1] == text[at - left - 1]:
        left += 1
    right = 0
    while offset + right < len(form) and at + right < len(text) and form[offset + right] == text[at + right]:
        right += 1
    return at - left, at + right


def _join(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined

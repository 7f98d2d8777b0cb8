"""Where a string of broken JSON ends, and what its escapes mean: the guesswork of `engine.tolerant_json`.

A model that forgets to escape writes `"The "user_id" is put into it"`. A quote is taken for the end when what follows
could only stand behind a value: the next key, a closer that fits, the end of the text.
"""

from __future__ import annotations

import enum
import itertools
import re
from collections.abc import Sequence
from typing import Final

CLOSING: Final = {'"': '"', "'": "'", "`": "`", "“": "”“", "”": "”“", "„": "“”", "‘": "’‘", "’": "’‘"}
"""Characters that open a string -> those that close it."""

_PATIENCE: Final = 20_000
_MAX_KEY: Final = 200  # characters
_MAX_KEY_QUOTES: Final = 6
_MAX_CLOSERS: Final = 64
_SCAN: Final = {
    opener: re.compile(rf"\\(?:.|\Z)|[{re.escape(closers)}]", re.DOTALL) for opener, closers in CLOSING.items()
}
_WHITE = re.compile(r"[\s\u200b\ufeff\u2060]*")
_NAME = r"""(?:"([^"\n]{1,60})"|'([^'\n]{1,60})'|[“”„]([^“”\n]{1,60})[“”]|([A-Za-z_][\w-]{0,60})["']?)"""
_PAIR = re.compile(_NAME + r"\s*(?::|=>)\s*")
_CUT_KEY = re.compile(r"""["'“][\w-]{0,60}["'”]?\s*\Z""")
_VALUE_START = re.compile(r"""["'`“\[{(\d-]|(?:true|false|null|none)\b|\Z""", re.IGNORECASE)
_NEW_LINE_BEFORE = re.compile(r",?[ \t]*\r?\n\s{0,100}\Z")
_ASIDE: Final = ("//", "/*", "#", "...", "…")
"""Starts of comments, and what stands for something left out."""
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.)|\Z)", re.DOTALL)
# Not \b and \f: no reviewer means a backspace, many forget to double the backslash of a regex or a Windows path.
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "'": "'", "`": "`", "\\": "\\", "/": "/", "\n": "\n"}


class _Ends(enum.Enum):
    """How much what follows a quote speaks for the end of the string."""

    NO = 0
    MAYBE = 1
    SURELY = 2


def unescape(body: str) -> str:
    """The text a string's body stands for. An escape that JSON does not know keeps its backslash; a lone surrogate
    becomes U+FFFD, so that the result can be encoded."""
    if "\\" not in body:
        return body
    return without_surrogates(_ESCAPE.sub(_character, body))


def without_surrogates(text: str) -> str:
    """Surrogate pairs joined, lone ones replaced by U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _character(escape: re.Match[str]) -> str:
    if escape[1]:
        return chr(int(escape[1], 16))
    return _ESCAPES.get(escape[2] or "", escape[0])


class StringReader:
    """Reads strings of one text. `closers` of a method: the closers of the values around, innermost last."""

    def __init__(self, text: str, keys: frozenset[str]) -> None:
        self._text = text
        self._keys = keys
        self._patience = _PATIENCE
        """Quotes that may still be looked at behind a plausible end, over the whole text: keeps it linear."""

    def key(self, pos: int) -> tuple[str, int, bool]:
        """The key whose quote stands at `pos`: its text, where it ends, and whether the text ended inside of it."""
        text, start = self._text, pos + 1
        limit = min(start + _MAX_KEY, len(text))
        first = None
        for match in itertools.islice(_SCAN[text[pos]].finditer(text, start, limit), _MAX_KEY_QUOTES):
            if match[0][0] == "\\":
                continue
            first = match.start() if first is None else first
            if self._char_behind(match.end()) in ("", *":=,}]"):
                return unescape(text[start : match.start()]), match.end(), False
        if first is not None:
            return unescape(text[start:first]), first + 1, False
        colon = text.find(":", start, limit)
        end = colon if colon >= 0 else limit
        return text[start:end], end, end == len(text)

    def value(self, pos: int, closers: Sequence[str]) -> tuple[str, int, bool]:
        """The string whose quote stands at `pos`, as `key` gives it."""
        text, quote = self._text, self._text[pos]
        if quote in "\"'" and text.startswith(quote * 3, pos):
            return self._tripled(pos, quote)
        start, literal, fallback = pos + 1, 0, None
        for match in _SCAN[quote].finditer(text, start):
            if match[0][0] == "\\":
                continue
            at = match.start()
            ends = self._ends(at, closers)
            # Quotes inside a text come in pairs: behind an odd number of them this one more likely ends such a pair.
            odd = quote == '"' and literal % 2 == 1
            if ends is _Ends.SURELY and odd and fallback is not None:
                break
            if ends is _Ends.SURELY or (ends is _Ends.MAYBE and (not odd or self._patience <= 0)):
                return unescape(text[start:at]), at + 1, False
            if ends is _Ends.MAYBE and fallback is None:
                fallback = at
            if self._pair(at) is _Ends.SURELY:  # this quote opens the next key: the end was before it
                if fallback is not None:
                    break
                if gap := _NEW_LINE_BEFORE.search(text, max(start, at - 110), at):
                    return unescape(text[start : gap.start()]), gap.start(), False
            literal += 1
            self._patience -= fallback is not None
            if fallback is not None and self._patience <= 0:
                break
        if fallback is not None:
            return unescape(text[start:fallback]), fallback + 1, False
        return unescape(text[start:]), len(text), True

    def continues(self, pos: int, closers: Sequence[str]) -> bool:
        """Whether a string that ended at `pos` goes on in another one behind white space, as in Python."""
        behind = self._skip(pos)
        if self._text[behind : behind + 1] not in CLOSING or closers[-1] == "]":
            return False
        if closers[-1] == ")":
            return True
        return "\n" in self._text[pos:behind] and _PAIR.match(self._text, behind) is None

    def comma_ends(self, comma: int, closers: Sequence[str]) -> bool:
        """Whether the comma ends text without quotes."""
        if closers[-1] != "}":
            return True
        behind = self._skip(comma + 1)
        return self._text[behind : behind + 1] in ("", "}", "]") or _PAIR.match(self._text, behind) is not None

    def _tripled(self, pos: int, quote: str) -> tuple[str, int, bool]:
        end = self._text.find(quote * 3, pos + 3)
        if end < 0:
            return self._text[pos + 3 :], len(self._text), True
        return unescape(self._text[pos + 3 : end]), end + 3, False

    def _skip(self, pos: int) -> int:
        match = _WHITE.match(self._text, pos)
        return match.end() if match else pos

    def _char_behind(self, pos: int) -> str:
        """The first character from `pos` on that is no white space; empty at the end."""
        behind = self._skip(pos)
        return self._text[behind : behind + 1]

    def _ends(self, at: int, closers: Sequence[str]) -> _Ends:
        """Whether the quote at `at` ends a value."""
        text, behind = self._text, self._skip(at + 1)
        char = text[behind : behind + 1]
        if not char:
            return _Ends.SURELY
        if char in "}])":
            return self._closer_fits(behind, closers)
        if text.startswith(_ASIDE, behind):
            return _Ends.MAYBE
        if char == "+":
            return _Ends.SURELY if self._char_behind(behind + 1) in CLOSING else _Ends.NO
        if closers[-1] != "}":
            return self._ends_item(at, behind, char)
        if char in ",;":
            return self._comma_fits(behind, closers)
        apart = behind > at + 1
        if apart and (ends := self._pair(behind)) is not _Ends.NO:
            return ends  # only the comma is missing
        return _Ends.MAYBE if char in CLOSING and "\n" in text[at:behind] else _Ends.NO

    def _ends_item(self, at: int, behind: int, char: str) -> _Ends:
        """As `_ends`, for an item of a list."""
        if char == ",":
            follows = self._skip(behind + 1)
            plausible = _VALUE_START.match(self._text, follows) or self._text.startswith((*"])}", *_ASIDE), follows)
            return _Ends.MAYBE if plausible else _Ends.NO
        return _Ends.MAYBE if char in CLOSING and behind > at + 1 else _Ends.NO

    def _comma_fits(self, comma: int, closers: Sequence[str]) -> _Ends:
        """Whether the comma, in an object, can stand behind a value."""
        behind = self._skip(comma + 1)
        char = self._text[behind : behind + 1]
        if not char:
            return _Ends.SURELY
        if char in "}])":
            return self._closer_fits(behind, closers)
        if self._text.startswith(_ASIDE, behind):
            return _Ends.MAYBE
        if char == "{":
            return self._opens_object(behind)
        return self._pair(behind)

    def _opens_object(self, brace: int) -> _Ends:
        return _Ends.MAYBE if self._pair(self._skip(brace + 1)) is not _Ends.NO else _Ends.NO

    def _pair(self, pos: int) -> _Ends:
        """Whether a key and its colon stand at `pos`, or a key in which the text was cut. A key that is expected says
        more than another."""
        match = _PAIR.match(self._text, pos)
        if match is None:
            return _Ends.MAYBE if _CUT_KEY.match(self._text, pos) else _Ends.NO
        if match[match.lastindex or 0].lower() in self._keys:
            return _Ends.SURELY
        return _Ends.MAYBE if _VALUE_START.match(self._text, match.end()) else _Ends.NO

    def _closer_fits(self, pos: int, closers: Sequence[str]) -> _Ends:
        """Whether the closers from `pos` on end values that are open, with something sensible behind them."""
        text, count = self._text, 0
        while text[pos : pos + 1] in ("}", "]", ")") and count < min(len(closers), _MAX_CLOSERS):
            count += 1
            pos = self._skip(pos + 1)
        char = text[pos : pos + 1]
        if count >= len(closers) or not char:
            return _Ends.MAYBE
        if char == ",":
            pos = self._skip(pos + 1)
            char = text[pos : pos + 1]
        sensible = char in "{[}])" or text.startswith(_ASIDE, pos) or self._pair(pos) is not _Ends.NO
        return _Ends.MAYBE if sensible else _Ends.NO

"""Characters that are not what they look like: found, named, and written out.

Bidirectional controls, tag characters, zero-width and other invisible characters, variation selectors and control
characters. Emoji need some of them: whole emoji sequences are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["bidi", "tag", "variation", "invisible", "separator", "control", "surrogate"]
"""bidi: reorders what is shown (CVE-2021-42574). tag: U+E0000…E007F, ASCII that nobody sees and every model reads.
variation: selects a glyph; 256 of them carry a byte each. invisible: takes no room or looks like a blank.
separator: ends a line for some programs only. control: C0, C1, DEL. surrogate: a byte that is not UTF-8."""

# Unicode 16: Default_Ignorable_Code_Point and Cf, less the Arabic, Syriac and Kaithi number marks, which are shown.
_CLASSES: dict[Kind, str] = {
    "bidi": "\u202a-\u202e\u2066-\u2069",
    "tag": "\U000e0000-\U000e007f",
    "variation": "\ufe00-\ufe0f\U000e0100-\U000e01ef\u180b-\u180d\u180f",
    "invisible": "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2060-\u2065\u206a-\u206f\u2800\u3164"
    "\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0080-\U000e00ff\U000e01f0-\U000e0fff",
    "separator": "\u2028\u2029",
    "control": "\x00-\x08\x0b-\x1f\x7f-\x9f",  # all but tab and line feed
    "surrogate": "\ud800-\udfff",
}

# Emoji as https://unicode.org/reports/tr51/#Definitions builds them, on blocks instead of the exact property: a
# pictograph with an optional presentation selector, skin tone and keycap, joined by ZWJ; keycaps; subdivision flags.
_PICTURE = (
    "[\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u21ff\u2300-\u23ff\u24c2\u25a0-\u27bf\u2900-\u297f\u2b00-\u2bff"
    "\u3030\u303d\u3297\u3299\U0001f000-\U0001f3fa\U0001f400-\U0001faff]"
)
_ONE = f"{_PICTURE}[\ufe0e\ufe0f]?[\U0001f3fb-\U0001f3ff]?\ufe0f?"
_FLAG = "\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{2,6}\U000e007f"
_KEYCAP = "[0-9#*]\ufe0f\u20e3"
_EMOJI = f"{_FLAG}|{_KEYCAP}|{_ONE}(?:\u200d{_ONE})*"

_SCAN = re.compile(f"{_EMOJI}|" + "|".join(f"(?P<{kind}>[{chars}])" for kind, chars in _CLASSES.items()))
_ANY = re.compile("[" + "".join(_CLASSES.values()) + "]")


@dataclass(frozen=True, slots=True)
class Odd:
    """One such character."""

    index: int
    """Offset in the text."""
    char: str
    kind: Kind


def odd_characters(text: str) -> Iterator[Odd]:
    """Every odd character outside emoji, in order. Tab and line feed are ordinary."""
    if _ANY.search(text) is None:  # nearly every line
        return
    for found in _SCAN.finditer(text):
        for kind in _CLASSES:
            if found.lastgroup == kind:
                yield Odd(found.start(), found[0], kind)


def code_point(char: str) -> str:
    """`U+202E`."""
    return f"U+{ord(char):04X}"


def written_out(char: str) -> str:
    """An odd character as `<U+202E>`; a byte that was not UTF-8 as `\\xNN`."""
    if "\udc80" <= char <= "\udcff":
        return f"\\x{ord(char) - 0xDC00:02x}"
    return f"<{code_point(char)}>"


def replaced(text: str, *, keep: str = "") -> str:
    """The text with every odd character outside emoji written out, but for those in `keep`."""
    if _ANY.search(text) is None:
        return text
    return _SCAN.sub(
        lambda found: found[0] if found.lastgroup is None or found[0] in keep else written_out(found[0]), text
    )

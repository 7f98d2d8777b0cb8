"""builtin/unicode: characters on added lines, and in new names, that make code read differently from what it is. Names
that look like others: `confusables`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from loom.analyzers.base import Report
from loom.analyzers.confusables import Lookalike, in_name, lookalikes, may_hold, scripts
from loom.core.change import ChangeSet, Files
from loom.core.diff import FileChange, decode_text, show_path
from loom.core.finding import Category, RawFinding, Severity
from loom.infra.invisible import Kind, Odd, code_point, odd_characters

LINES_PER_FILE = 20
"""Findings of one kind in one file; the first says how many more lines there are."""


@dataclass(frozen=True, slots=True)
class _Rule:
    id: str
    severity: Severity
    category: Category
    title: str
    why: str


_BIDI = _Rule(
    "unicode/bidi",
    Severity.BLOCKER,
    "security",
    "Bidirectional control characters",
    "They reorder what is shown, so the code that runs is not the code that people read (Trojan Source, "
    "CVE-2021-42574). Remove them; where a text really needs one, write it as an escape such as `\\u202e`.",
)
_TAG = _Rule(
    "unicode/tag",
    Severity.BLOCKER,
    "security",
    "Hidden text in tag characters",
    "Tag characters are never shown, but programs and language models read them as plain text: a way to smuggle "
    "instructions past reviewers. Remove them.",
)
_INVISIBLE = _Rule(
    "unicode/invisible",
    Severity.WARNING,
    "security",
    "Invisible characters",
    "They cannot be seen, make equal-looking names and strings different, and can carry hidden data. Remove them, or "
    "write them as escapes where they are meant.",
)
_CONTROL = _Rule(
    "unicode/control",
    Severity.WARNING,
    "maintainability",
    "Control characters",
    "They move the cursor, clear or recolour what a terminal shows, or end the line for some programs only, so parts "
    "of the line can be hidden from reviewers. Write them as escapes such as `\\x1b`.",
)
_CONFUSABLE = _Rule(
    "unicode/confusable",
    Severity.WARNING,
    "security",
    "A name with letters that look like others",
    "People read another name than the program does. Type it anew in one script.",
)
_RULES: dict[Kind, _Rule] = {
    "bidi": _BIDI,
    "tag": _TAG,
    "variation": _INVISIBLE,
    "invisible": _INVISIBLE,
    "separator": _CONTROL,
    "control": _CONTROL,
}

_NAMES = {
    "\u00ad": "soft hyphen",
    "\u061c": "Arabic letter mark",
    "\u180e": "Mongolian vowel separator",
    "\u200b": "zero width space",
    "\u200c": "zero width non-joiner",
    "\u200d": "zero width joiner",
    "\u200e": "left-to-right mark",
    "\u200f": "right-to-left mark",
    "\u202a": "left-to-right embedding",
    "\u202b": "right-to-left embedding",
    "\u202c": "pop directional formatting",
    "\u202d": "left-to-right override",
    "\u202e": "right-to-left override",
    "\u2028": "line separator",
    "\u2029": "paragraph separator",
    "\u2060": "word joiner",
    "\u2066": "left-to-right isolate",
    "\u2067": "right-to-left isolate",
    "\u2068": "first strong isolate",
    "\u2069": "pop directional isolate",
    "\u3164": "Hangul filler",
    "\ufeff": "byte order mark",
    "\x00": "NUL",
    "\x08": "backspace",
    "\r": "carriage return",
    "\x1b": "escape",
    "\x7f": "delete",
    "\x85": "next line",
}

# Scripts whose spelling needs the joiners (Unicode Standard, 23.2 "Cursive Connection and Ligatures"): Arabic, Syriac,
# N'Ko, Mongolian and those of South Asia.
_JOINING = re.compile("[\u0600-\u0dff\u0f00-\u109f\u1780-\u18af\ua840-\ua8ff\ufb50-\ufdff\ufe70-\ufefc]")


class Unicode:
    """Reports, per added line and kind, what should not be there. Allowed: whole emoji, joiners inside words of the
    scripts that need them, a byte order mark at the start of a file, tab and form feed, CR at the end of a line."""

    def run(self, change: ChangeSet, files: Files) -> Report:
        """Findings in the order of the change. Only a file with letters that look like others is read whole."""
        return Report(
            tuple(
                finding for file in change.files for finding in (*_name(file), *_lines(file), *_confusable(file, files))
            )
        )


def _name(file: FileChange) -> Iterator[RawFinding]:
    if file.status not in ("added", "renamed", "copied"):
        return
    for rule, odd in _by_rule(odd_characters(file.path)).items():
        yield RawFinding(
            path=file.path,
            severity=rule.severity,
            category=rule.category,
            rule=rule.id,
            title=f"{rule.title} in the file's name",
            message=f"The name holds {_listed(odd)}. {rule.why}",
        )


def _confusable(file: FileChange, files: Files) -> Iterator[RawFinding]:
    if file.status in ("added", "renamed", "copied") and (word := in_name(show_path(file.path))):
        yield RawFinding(
            path=file.path,
            severity=_CONFUSABLE.severity,
            category=_CONFUSABLE.category,
            rule=_CONFUSABLE.id,
            title=f"{_CONFUSABLE.title} in the file's name",
            message=f"The name holds {_letters(word)}. {_CONFUSABLE.why}",
        )
    if not any(may_hold(line) for line in file.added_lines().values()):
        return
    head = files.head(file.path)
    whole = decode_text(head) if head is not None else None
    told: set[tuple[int, str]] = set()
    for found in lookalikes(file.added_lines().items(), whole=whole, path=file.path):
        if (found.line, found.name) not in told and len(told) < LINES_PER_FILE:
            told.add((found.line, found.name))
            yield _of_lookalike(file.path, found)


def _of_lookalike(path: str, found: Lookalike) -> RawFinding:
    """What looks like a name that the file uses, too, blocks: one of the two is not what it seems."""
    also = " The file uses that name too; these are two." if found.twin else ""
    return RawFinding(
        path=path,
        line=found.line,
        column=found.column,
        severity=Severity.BLOCKER if found.twin else _CONFUSABLE.severity,
        category=_CONFUSABLE.category,
        rule=_CONFUSABLE.id,
        title=_CONFUSABLE.title,
        message=f"What reads `{found.looks_like}` holds {_letters(found.name)}.{also} {_CONFUSABLE.why}",
    )


def _letters(name: str) -> str:
    """`U+0430 (Cyrillic), U+03BF (Greek)`."""
    odd = dict.fromkeys(char for char in name if may_hold(char))
    return ", ".join(f"{code_point(char)} ({scripts(char)[0]})" for char in list(odd)[:6])


def _lines(file: FileChange) -> Iterator[RawFinding]:
    hits: dict[_Rule, list[tuple[int, list[Odd]]]] = {}
    for number, text in file.added_lines().items():
        odd = [each for each in odd_characters(text) if not _allowed(each, text, number)]
        for rule, those in _by_rule(odd).items():
            hits.setdefault(rule, []).append((number, those))
    for rule, places in hits.items():
        more = len(places) - LINES_PER_FILE
        for nth, (number, odd) in enumerate(places[:LINES_PER_FILE], 1):
            rest = (
                f" {more:,} more added lines of this file hold some and are not listed."
                if more > 0 and nth == 1
                else ""
            )
            yield RawFinding(
                path=file.path,
                line=number,
                column=odd[0].index + 1,
                severity=rule.severity,
                category=rule.category,
                rule=rule.id,
                title=rule.title,
                message=f"This line holds {_listed(odd)}. {rule.why}{rest}",
            )


def _by_rule(odd: Iterable[Odd]) -> dict[_Rule, list[Odd]]:
    found: dict[_Rule, list[Odd]] = {}
    for each in odd:
        if rule := _RULES.get(each.kind):
            found.setdefault(rule, []).append(each)
    return found


def _allowed(odd: Odd, text: str, line: int) -> bool:
    match odd.char:
        case "\f":  # GNU and older Python sources divide files into pages with it
            return True
        case "\r":
            return odd.index == len(text) - 1
        case "\ufeff":
            return line == 1 and odd.index == 0
        case "\u200c" | "\u200d":
            around = text[max(odd.index - 1, 0) : odd.index + 2]
            return len(around) == 3 and all(_JOINING.match(char) for char in (around[0], around[2]))
        case _:
            return False


def _listed(odd: Iterable[Odd]) -> str:
    """`U+202E (right-to-left override), U+200B ×3`, at most six kinds, and what tags spell."""
    odd = list(odd)
    counts = Counter(each.char for each in odd)
    shown = [_named(char, n) for char, n in list(counts.items())[:6]]
    if len(counts) > 6:
        shown.append(f"{len(counts) - 6} more")
    hidden = "".join(chr(ord(each.char) - 0xE0000) for each in odd if "\U000e0020" <= each.char <= "\U000e007e")
    return ", ".join(shown) + (f"; the tags spell {show_path(repr(hidden[:80]))}" if hidden else "")


def _named(char: str, count: int) -> str:
    name = f" ({_NAMES[char]})" if char in _NAMES else ""
    return code_point(char) + name + (f" ×{count}" if count > 1 else "")

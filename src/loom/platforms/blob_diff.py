"""The hunks between two versions of a file, for platforms that give both but not their diff."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from loom.core.diff import Hunk

_CONTEXT = 3
_MOST_LINES = 20_000
"""Per side after what is alike at both ends is taken off; beyond it the rest counts as replaced."""
_BINARY_HEAD = 8000
"""Bytes in which git looks for a NUL."""

Opcode = tuple[str, int, int, int, int]


def is_binary(content: bytes) -> bool:
    """Whether git would call it binary."""
    return b"\0" in content[:_BINARY_HEAD]


def hunks_between(old: bytes, new: bytes) -> tuple[Hunk, ...]:
    """Hunks with three lines of context, that lead from `old` to `new`. Not always the fewest lines, always right."""
    before, after = _lines(old), _lines(new)
    groups = _grouped(_opcodes(before, after))
    return tuple(_hunk(group, before, after) for group in groups)


def _lines(content: bytes) -> list[bytes]:
    """With what a last line without a line feed needs to be told apart."""
    lines = content.split(b"\n")
    if lines[-1] == b"":
        return lines[:-1]
    return [*lines[:-1], lines[-1] + b"\n\\ No newline at end of file"]


def _opcodes(before: Sequence[bytes], after: Sequence[bytes]) -> list[Opcode]:
    start, most = 0, min(len(before), len(after))
    while start < most and before[start] == after[start]:
        start += 1
    end = 0
    while end < most - start and before[-1 - end] == after[-1 - end]:
        end += 1
    old_end, new_end = len(before) - end, len(after) - end
    codes: list[Opcode] = [("equal", 0, start, 0, start)] if start else []
    if max(old_end, new_end) - start <= _MOST_LINES:
        matcher = SequenceMatcher(None, before[start:old_end], after[start:new_end], autojunk=True)
        codes += [(tag, a + start, b + start, c + start, d + start) for tag, a, b, c, d in matcher.get_opcodes()]
    else:
        codes.append(("replace", start, old_end, start, new_end))
    if end:
        codes.append(("equal", old_end, len(before), new_end, len(after)))
    return codes


def _grouped(codes: list[Opcode]) -> Iterator[list[Opcode]]:
    """The changes with their context; two that are near each other share a hunk."""
    group: list[Opcode] = []
    for index, (tag, a, b, c, d) in enumerate(codes):
        if tag != "equal":
            group.append((tag, a, b, c, d))
            continue
        first, last = index == 0, index == len(codes) - 1
        if not first and not last and b - a <= 2 * _CONTEXT:
            group.append((tag, a, b, c, d))
            continue
        keep = min(_CONTEXT, b - a)
        if not first:
            yield [*group, (tag, a, a + keep, c, c + keep)]
            group = []
        if not last:
            group = [(tag, b - keep, b, d - keep, d)]
    if group:
        yield group


def _hunk(group: list[Opcode], before: Sequence[bytes], after: Sequence[bytes]) -> Hunk:
    body: list[bytes] = []
    for tag, a, b, c, d in group:
        if tag == "equal":
            body += (b" " + line for line in before[a:b])
        else:
            body += (b"-" + line for line in before[a:b])
            body += (b"+" + line for line in after[c:d])
    old_from, old_to, new_from, new_to = group[0][1], group[-1][2], group[0][3], group[-1][4]
    # git counts from 1, and names the line before where a side has none.
    return Hunk(
        old_start=old_from + 1 if old_to > old_from else old_from,
        old_count=old_to - old_from,
        new_start=new_from + 1 if new_to > new_from else new_from,
        new_count=new_to - new_from,
        section="",
        body=b"\n".join(body),
    )

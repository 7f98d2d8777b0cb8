"""A file's hunks applied to its bytes, forwards or backwards; nothing when they do not fit."""

from __future__ import annotations

from collections.abc import Iterable

from loom.core.diff import NO_NEWLINE, Hunk

Edit = tuple[int, list[bytes], list[bytes]]
"""The index of the first line, the lines that must be there, the lines that take their place."""


def apply(old: bytes, hunks: Iterable[Hunk]) -> bytes | None:
    """The file after the change, from the file before it; None when a context or removed line is not there."""
    return _replace(old, [_edit(hunk.old_start, *_sides(hunk)) for hunk in hunks])


def unapply(new: bytes, hunks: Iterable[Hunk]) -> bytes | None:
    """The file before the change, from the file after it; None when a context or added line is not there."""
    edits = []
    for hunk in hunks:
        before, after = _sides(hunk)
        edits.append(_edit(hunk.new_start, after, before))
    return _replace(new, edits)


def _edit(start: int, have: list[bytes], want: list[bytes]) -> Edit:
    """`start` as a hunk header has it: an empty side is numbered by the line before it."""
    return (start - 1 if have else start, have, want)


def _sides(hunk: Hunk) -> tuple[list[bytes], list[bytes]]:
    """The lines of the old and of the new side, each with its line ending where it has one."""
    old: list[bytes] = []
    new: list[bytes] = []
    last: tuple[list[bytes], ...] = ()
    for raw in hunk.body.split(b"\n"):
        if raw.startswith(NO_NEWLINE):
            for side in last:
                side[-1] = side[-1][:-1]
            continue
        last = {b"+": (new,), b"-": (old,)}.get(raw[:1], (old, new))
        for side in last:
            side.append(raw[1:] + b"\n")
    return old, new


def _replace(content: bytes, edits: Iterable[Edit]) -> bytes | None:
    lines = content.split(b"\n")
    have = [line + b"\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
    out: list[bytes] = []
    at = 0
    for begin, before, after in edits:
        if begin < at or have[begin : begin + len(before)] != before:
            return None
        out += have[at:begin]
        out += after
        at = begin + len(before)
    return b"".join(out + have[at:])

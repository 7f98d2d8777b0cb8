"""Pack files into few requests, so that a chunk stays the same when files outside it change.

A set that fits is one chunk. One that does not is cut in two where the paths' hashes say, not where the sizes happen
to fall: editing one file then leaves the other chunks, and their cached answers, as they were.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace

from loom.engine.view import FileView, HunkView

Cost = Callable[[str], int]
"""Tokens of a text."""

_FILE_OVERHEAD = 30  # tokens of a file's and its hunks' headers
_LINE_OVERHEAD = 4  # tokens of the number and gutter before each line


def pack(files: Sequence[FileView], *, budget: int, cost: Cost) -> list[tuple[FileView, ...]]:
    """Chunks of at most `budget` tokens each, in path order. A file or hunk over the budget is split; a single line
    over it (cut when shown) stands alone."""
    pieces = [piece for file in sorted(files, key=lambda f: f.path) for piece in _split_file(file, budget, cost)]
    sizes = [file_cost(piece, cost) for piece in pieces]
    return [tuple(_join(pieces[a:b])) for a, b in _cut(pieces, sizes, 0, len(pieces), budget)]


def file_cost(file: FileView, cost: Cost) -> int:
    """Tokens the file takes in a prompt."""
    return _FILE_OVERHEAD + sum(_hunk_cost(hunk, cost) for hunk in file.hunks)


def halve(files: Sequence[FileView]) -> tuple[tuple[FileView, ...], tuple[FileView, ...]] | None:
    """The chunk in two, by hunks; None when there is only one hunk. For a request that turned out too large."""
    pieces = [replace(file, hunks=(hunk,)) for file in files for hunk in file.hunks]
    if len(pieces) < 2:
        return None
    middle = len(pieces) // 2
    return tuple(_join(pieces[:middle])), tuple(_join(pieces[middle:]))


def _cut(pieces: Sequence[FileView], sizes: Sequence[int], a: int, b: int, budget: int) -> list[tuple[int, int]]:
    """Ranges within [a, b) that fit. The cut goes where the hash of (left path, right path) is least, among the
    cuts that leave at least a quarter of the weight on both sides."""
    total = sum(sizes[a:b])
    if b - a <= 1 or total <= budget:
        return [(a, b)] if b > a else []
    balanced, left = [], 0
    for i in range(a + 1, b):
        left += sizes[i - 1]
        if total <= 4 * left <= 3 * total:
            balanced.append(i)
    middle = min(balanced or range(a + 1, b), key=lambda i: _priority(pieces[i]))
    return [*_cut(pieces, sizes, a, middle, budget), *_cut(pieces, sizes, middle, b, budget)]


def _priority(piece: FileView) -> bytes:
    first = piece.hunks[0].id if piece.hunks else ""
    return hashlib.sha256(f"{piece.path}\0{first}".encode("utf-8", "surrogateescape")).digest()


def _split_file(file: FileView, budget: int, cost: Cost) -> list[FileView]:
    """The file whole if it fits, else one piece per hunk (packing joins neighbours again)."""
    if file_cost(file, cost) <= budget:
        return [file]
    return [
        replace(file, hunks=(part,))
        for hunk in file.hunks
        for part in _split_hunk(hunk, max(1, budget - _FILE_OVERHEAD), cost)
    ]


def _split_hunk(hunk: HunkView, budget: int, cost: Cost) -> list[HunkView]:
    if _hunk_cost(hunk, cost) <= budget:
        return [hunk]
    parts, start, size = [], 0, 0
    for i, line in enumerate(hunk.lines):
        own = cost(line.text) + _LINE_OVERHEAD
        if i > start and size + own > budget:
            parts.append(hunk.lines[start:i])
            start, size = i, 0
        size += own
    parts.append(hunk.lines[start:])
    return [replace(hunk, id=f"{hunk.id}.{n}", lines=lines) for n, lines in enumerate(parts, 1)]


def _hunk_cost(hunk: HunkView, cost: Cost) -> int:
    return cost("\n".join(line.text for line in hunk.lines)) + _LINE_OVERHEAD * len(hunk.lines)


def _join(pieces: Sequence[FileView]) -> list[FileView]:
    """Neighbouring pieces of one file are one file again."""
    joined: list[FileView] = []
    for piece in pieces:
        if joined and joined[-1].path == piece.path:
            joined[-1] = replace(joined[-1], hunks=joined[-1].hunks + piece.hunks)
        else:
            joined.append(piece)
    return joined

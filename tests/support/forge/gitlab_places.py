"""Where GitLab lets a comment stand: its own idea of a line, found in the real diff."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from support.forge.diffs import Diff, DiffFile, DiffLine


def line_code(file: DiffFile, old: int, new: int) -> str:
    """GitLab's name of a line: the path's SHA-1, and where both numberings stand."""
    return f"{hashlib.sha1(file.path.encode(), usedforsecurity=False).hexdigest()}_{old}_{new}"


def counted(file: DiffFile) -> Iterator[tuple[int, DiffLine, str]]:
    """(hunk, line, code) of every line of a file's diff."""
    for index, hunk in enumerate(file.hunks):
        old = next((line.old for line in hunk if line.old is not None), 0)
        new = next((line.new for line in hunk if line.new is not None), 0)
        for line in hunk:
            yield index, line, line_code(file, old, new)
            old += line.old is not None
            new += line.new is not None


def file_of(diff: Diff, position: Mapping[str, Any]) -> DiffFile | None:
    """The file of a position: both paths have to be its own."""
    return next(
        (f for f in diff.files if (f.path, f.old_path) == (position.get("new_path"), position.get("old_path"))), None
    )


def code_of(diff: Diff, position: Mapping[str, Any]) -> str | None:
    """The code of the line that a position names; None: no line of the diff has exactly these numbers. An added line
    has no old number, a removed one no new one, an unchanged one has both."""
    file = file_of(diff, position)
    wanted = (position.get("old_line"), position.get("new_line"))
    if file is None or wanted == (None, None):
        return None
    return next((code for _, line, code in counted(file) if (line.old, line.new) == wanted), None)


def range_is_sound(diff: Diff, position: Mapping[str, Any]) -> bool:
    """Whether the two ends of a range are lines of one hunk, rightly numbered and coded, and the anchor is the end."""
    ends = position.get("line_range")
    file = file_of(diff, position)
    if ends is None:
        return True
    if file is None:
        return False
    found = [
        next(
            (hunk for hunk, line, code in counted(file) if code == end.get("line_code") and _numbered(end, line)), None
        )
        for end in (ends["start"], ends["end"])
    ]
    same = ends["end"].get("line_code") == code_of(diff, position)
    return None not in found and found[0] == found[1] and same


def _numbered(end: Mapping[str, Any], line: DiffLine) -> bool:
    return (end.get("old_line"), end.get("new_line")) == (line.old, line.new) and end.get("type") in ("old", "new")

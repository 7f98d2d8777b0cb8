"""The masked view of a change: what models are shown and results carry. Secrets are gone before it exists."""

from __future__ import annotations

from dataclasses import dataclass

from loom.core.diff import Line


@dataclass(frozen=True, slots=True)
class HunkView:
    """A hunk, or a part of one too large for one request. Lines are masked and as many as in the file."""

    id: str
    """`path#n`, n counting the file's hunks from 1; parts of a split hunk are `path#n.m`."""
    section: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class FileView:
    """A file with the hunks that one request shows."""

    path: str
    """As `show_path` gives it; the model's answer is matched against this."""
    old_path: str | None
    status: str
    hunks: tuple[HunkView, ...]

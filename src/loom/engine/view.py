"""The masked view of a change: what models are shown and results carry. Secrets are gone before it exists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from loom.core.change import ChangeSet
from loom.core.diff import FileChange, Line, show_path
from loom.core.result import Redaction


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


class LineMasker(Protocol):
    """What masks secrets: as many lines out as in, and (line index, rule) of what was masked."""

    def mask_lines(self, lines: Sequence[str]) -> tuple[list[str], tuple[tuple[int, str], ...]]:
        """See infra.secrets.Masker."""


@dataclass(frozen=True, slots=True)
class MaskedChange:
    """All files of a change, masked, by their real path."""

    views: Mapping[str, FileView]
    redactions: tuple[Redaction, ...]


def mask_change(change: ChangeSet, masker: LineMasker) -> MaskedChange:
    """The view of every file."""
    views, redactions = {}, []
    for file in change.files:
        view, masked = _mask_file(file, masker)
        views[file.path] = view
        redactions.extend(masked)
    return MaskedChange(views, tuple(redactions))


def _mask_file(file: FileChange, masker: LineMasker) -> tuple[FileView, list[Redaction]]:
    path = show_path(file.path)
    hunks = [tuple(hunk.lines()) for hunk in file.hunks]
    redactions = []
    if hunks:
        # One call for the whole file: a key that spans hunks' lines is seen, and a secret has one number in a file.
        flat = [line for lines in hunks for line in lines]
        texts, masked = masker.mask_lines([line.text for line in flat])
        if masked:
            changed = iter(
                line if line.text == text else replace(line, text=text) for line, text in zip(flat, texts, strict=True)
            )
            hunks = [tuple(next(changed) for _ in lines) for lines in hunks]
            redactions = [Redaction(rule, path, flat[i].new or flat[i].old or 0) for i, rule in masked]
    views = tuple(
        HunkView(f"{path}#{n}", _mask_section(hunk.section, masker), lines)
        for n, (hunk, lines) in enumerate(zip(file.hunks, hunks, strict=True), 1)
    )
    old = show_path(file.old_path) if file.old_path else None
    return FileView(path, old, file.status, views), redactions


def _mask_section(section: str, masker: LineMasker) -> str:
    """A hunk's section line is a line of the file like any other."""
    return masker.mask_lines([section])[0][0] if section else section

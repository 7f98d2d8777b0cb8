"""The masked view of a change: what models are shown and results carry. Secrets are gone before it exists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from loom.core.change import ChangeSet, Files, NoFiles
from loom.core.diff import FileChange, Line, decode_text, show_path
from loom.core.result import Redaction
from loom.infra.key_blocks import may_be_inside
from loom.infra.secrets import Masker, Secrets, learn


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


@dataclass(frozen=True, slots=True)
class MaskedChange:
    """All files of a change, masked, by their real path."""

    views: Mapping[str, FileView]
    redactions: tuple[Redaction, ...]
    masker: Masker
    """The masker of the run: it knows what stands in the change, and goes over every other text."""


def mask_change(change: ChangeSet, masker: Masker, files: Files = NoFiles()) -> MaskedChange:  # noqa: B008 (a constant)
    """The view of every file. A secret that one place gives away (`password = …`) is masked wherever the change holds
    it; nothing else makes one file's view depend on another."""
    masked = {file.path: _mask_file(file, masker) for file in change.files}
    secrets: dict[str, str] = {}
    for file in change.files:
        learn(secrets, (*masked[file.path].secrets.items(), *_inside_key(file, masked[file.path], files, masker)))
    told = [text for text in (change.ref.title, change.ref.description) if text]
    learn(secrets, masker.take(told).secrets.items())
    if secrets:
        masker = masker.knowing(secrets)
        again = (f for f in change.files if masker.knows_of("\n".join(masked[f.path].texts())))
        masked |= {file.path: _mask_file(file, masker) for file in again}
    names = _Names(masker)
    views = {file.path: _view(file, masked[file.path], names) for file in change.files}
    redactions = (
        Redaction(rule, views[path].path, line) for path, file in masked.items() for rule, line in file.redactions
    )
    return MaskedChange(views, tuple(redactions), masker)


@dataclass(frozen=True, slots=True)
class _MaskedFile:
    sections: tuple[str, ...]
    hunks: tuple[tuple[Line, ...], ...]
    redactions: tuple[tuple[str, int], ...] = ()
    """(rule, line)"""
    secrets: Secrets = field(default_factory=dict, repr=False)

    def texts(self) -> Iterator[str]:
        yield from (line.text for lines in self.hunks for line in lines)
        yield from self.sections


def _mask_file(file: FileChange, masker: Masker) -> _MaskedFile:
    sections = tuple(hunk.section for hunk in file.hunks)
    hunks = tuple(tuple(hunk.lines()) for hunk in file.hunks)
    # One call for the whole file: a key that spans hunks' lines is seen, and a secret has one number in a file. A
    # section line is a line of the file like any other.
    flat = [line for lines in hunks for line in lines]
    taken = masker.take([*(line.text for line in flat), *sections])
    if not taken.places:
        return _MaskedFile(sections, hunks)
    texts = iter(taken.lines)
    return _MaskedFile(
        hunks=tuple(tuple(_with_text(line, next(texts)) for line in lines) for lines in hunks),
        sections=tuple(texts),
        redactions=tuple((rule, flat[i].new or flat[i].old or 0) for i, rule in taken.places if i < len(flat)),
        secrets=taken.secrets,
    )


def _with_text(line: Line, text: str) -> Line:
    return line if line.text == text else replace(line, text=text)


def _inside_key(file: FileChange, masked: _MaskedFile, files: Files, masker: Masker) -> Iterator[tuple[str, str]]:
    """Lines of private keys whose begin and end no hunk shows."""
    if not may_be_inside(masked.texts()):
        return
    new, old = [], []
    for section, lines in zip(masked.sections, masked.hunks, strict=True):
        new += ["", section, *(line.text for line in lines if line.new is not None)]
        old += ["", section, *(line.text for line in lines if line.old is not None)]
    yield from masker.inside_key(new, lambda: _text(files.head(file.path))).items()
    yield from masker.inside_key(old, lambda: _text(files.base(file.base_path))).items()


def _text(blob: bytes | None) -> str | None:
    return None if blob is None else decode_text(blob)


def _view(file: FileChange, masked: _MaskedFile, names: _Names) -> FileView:
    path = names.of(file.path)
    hunks = tuple(
        HunkView(f"{path}#{n}", section, lines)
        for n, (section, lines) in enumerate(zip(masked.sections, masked.hunks, strict=True), 1)
    )
    return FileView(path, names.of(file.old_path) if file.old_path else None, file.status, hunks)


class _Names:
    """Paths to show. Two that differ in a secret only stay two."""

    def __init__(self, masker: Masker) -> None:
        self._masker = masker
        self._paths: dict[str, str] = {}
        """Shown -> real"""

    def of(self, path: str) -> str:
        plain = show_path(path)
        name = shown = self._masker.mask(plain)
        n = 1
        while shown != plain and self._paths.setdefault(shown, path) != path:
            n += 1
            shown = f"{name} ({n})"
        return shown

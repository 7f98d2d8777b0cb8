"""A merge request's diff over GitLab's API: the raw diff, else file by file, and both sides of what it leaves out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from loom.core.change import Unread
from loom.core.diff import FileChange
from loom.core.errors import SourceError
from loom.infra.parse_diff import ParsedDiff, parse
from loom.platforms import gitlab_wire as wire
from loom.platforms.base import DownError, MissingError, PlatformError, RejectedError
from loom.platforms.blob_diff import hunks_between, is_binary
from loom.platforms.http import Api
from loom.platforms.values import PlatformDiff, PullRequest

_PER_PAGE = 30
"""Larger pages of diffs are answered with 500 (gitlab#427168)."""
_RAW_BYTES = 64 << 20
_LEFT_OUT = "GitLab left its lines out of the diff"


class ReadsFiles(Protocol):
    """How whole files are had."""

    def __call__(self, path: str, ref: str) -> Awaitable[bytes | None]:
        """A file at a commit; None where there is none to be had."""


@dataclass(slots=True)
class Diffs:
    """The diff of one merge request; `mr` is its path below the API's root."""

    api: Api
    mr: str
    file: ReadsFiles
    _read: dict[str, PlatformDiff] = field(default_factory=dict)
    """Head -> what was read of it."""

    async def read(self, pr: PullRequest) -> PlatformDiff:
        """The diff from the merge base. Raises PlatformError where nothing can be read."""
        if pr.head_sha not in self._read:
            raw = await self._raw(pr)
            self._read[pr.head_sha] = raw if raw is not None else await self._listed(pr)
        return self._read[pr.head_sha]

    async def counters(self, pr: PullRequest) -> Mapping[str, wire.Counters]:
        """Path -> where both numberings stand at the lines of its diff, as GitLab counts; nothing where the diff cannot
        be had: ranges are then shown at their last line."""
        try:
            return {file.path: wire.counters(file) for file in (await self.read(pr)).files}
        except PlatformError:
            return {}  # only the look of a comment depends on it

    async def _raw(self, pr: PullRequest) -> PlatformDiff | None:
        """The raw diff where this server has it and it is whole; None where the list of files has to say more."""
        try:
            data = await self.api.raw(f"{self.mr}/raw_diffs", "text/plain, */*", limit=_RAW_BYTES)
            parsed = parse(data) if data.strip() else ParsedDiff(())
        except (MissingError, RejectedError, DownError, SourceError):
            return None  # a server older than raw diffs, or a diff that is too much for it
        short = pr.changed_files is not None and len(parsed.files) < pr.changed_files
        if short or parsed.unread or any(wire.is_hollow(file) for file in parsed.files):
            return None
        return PlatformDiff(files=parsed.files, unread=_beyond(len(parsed.files), pr), source="raw")

    async def _listed(self, pr: PullRequest) -> PlatformDiff:
        pages = await self.api.pages(f"{self.mr}/diffs", {"per_page": _PER_PAGE})
        changes = [wire.file_change(entry) for entry in pages.items]
        lacking = [n for n, entry in enumerate(pages.items) if wire.lacks_lines(entry, changes[n])]
        compared = await asyncio.gather(*(self._compared(pr, changes[n]) for n in lacking))
        for n, change in zip(lacking, compared, strict=True):
            changes[n] = change
        unread = _beyond(len(changes), pr, complete=pages.complete)
        return PlatformDiff(files=tuple(changes), unread=unread, source="blobs" if lacking else "files")

    async def _compared(self, pr: PullRequest, change: FileChange) -> FileChange:
        """The change with its lines, found by comparing both sides here."""
        if pr.merge_base is None:
            return replace(change, unreadable=_LEFT_OUT)
        try:
            old, new = await asyncio.gather(
                self._side(change.base_path, pr.merge_base, there=change.status != "added"),
                self._side(change.path, pr.head_sha, there=change.status != "deleted"),
            )
        except PlatformError as error:
            return replace(change, unreadable=f"{_LEFT_OUT}, and the file could not be read: {error.said}")
        if old is None or new is None:
            return replace(change, unreadable=f"{_LEFT_OUT}, and gave no regular file of up to 5 MB")
        if is_binary(old) or is_binary(new):
            return replace(change, binary=True)
        hunks = await asyncio.to_thread(hunks_between, old, new)
        kinds = [line.kind for hunk in hunks for line in hunk.lines()]
        return replace(change, hunks=hunks, added=kinds.count("+"), deleted=kinds.count("-"))

    async def _side(self, path: str, ref: str, *, there: bool) -> bytes | None:
        return await self.file(path, ref) if there else b""


def _beyond(given: int, pr: PullRequest, *, complete: bool = True) -> tuple[Unread, ...]:
    """What is said of files that GitLab did not name. It stops counting at 1,000."""
    if pr.changed_files is not None and complete and given >= pr.changed_files:
        return ()
    of = "and may have more" if pr.changed_files is None else f"of {pr.changed_files:,}"
    return (Unread(None, f"GitLab gives {given:,} changed files {of}"),)

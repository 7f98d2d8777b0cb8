"""A pull request's diff and files from GitHub: the raw diff, else the list of files, else both versions of a file."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace

from loom.core.change import Unread
from loom.core.diff import FileChange, Status
from loom.core.errors import SourceError
from loom.infra.parse_diff import parse
from loom.platforms.answers import items, number_or_none, text, text_or_none
from loom.platforms.base import DownError, MissingError, RejectedError
from loom.platforms.blob_diff import hunks_between, is_binary
from loom.platforms.http import Api
from loom.platforms.values import PlatformDiff, PullRequest

_RAW = "application/vnd.github.raw+json"
_MOST_BYTES = 5 << 20
_MOST_DIFF = 64 << 20
_LISTED = 3000
"""Files that GitHub lists at most."""
_MOST_BLOBS = 100
"""Files whose diff is worked out from both versions: two requests each."""
_STATUS: dict[str, Status] = {
    "added": "added", "removed": "deleted", "modified": "modified", "renamed": "renamed", "copied": "copied",
    "changed": "modified",
}  # fmt: skip
_SUBMODULE = re.compile(r"(?m)^[-+]Subproject commit [0-9a-f]{40}")
_EMPTY_BLOBS = (
    "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391",
    "473a0f4c3be8a93681a267e3b1e9a7dcda1185436fe141f7749120a303721813",
)


class Contents:
    """Files at commits, by git's own objects: what is a link or a submodule is known before it is read. Asking for a
    path would follow links."""

    def __init__(self, api: Api, repo: str) -> None:
        self._api = api
        self._repo = repo
        self._trees: dict[str, asyncio.Future[dict[str, object]]] = {}

    async def file(self, path: str, ref: str) -> bytes | None:
        """See base.Reader.file."""
        tree: str | None = ref
        entry: object = None
        for part in path.split("/"):
            if tree is None:
                return None
            entry = (await self._tree(tree)).get(part)
            tree = text_or_none(entry, "sha") if text_or_none(entry, "type") == "tree" else None
        if text_or_none(entry, "mode") not in ("100644", "100755", "100664"):
            return None
        return await self.blob(text(entry, "sha")) if (number_or_none(entry, "size") or 0) <= _MOST_BYTES else None

    async def names(self, folder: str, ref: str) -> tuple[str, ...]:
        """See base.Lister.names."""
        tree = ref
        for part in () if folder in ("", ".") else folder.split("/"):
            entry = (await self._tree(tree)).get(part)
            if text_or_none(entry, "type") != "tree":
                return ()
            tree = text(entry, "sha")
        return tuple(await self._tree(tree))

    async def blob(self, sha: str) -> bytes | None:
        """The bytes of a blob; None where there are too many."""
        try:
            return await self._api.raw(f"{self._repo}/git/blobs/{sha}", _RAW, limit=_MOST_BYTES)
        except RejectedError as error:
            if error.slug == "platform-too-large":
                return None
            raise

    async def _tree(self, sha: str) -> dict[str, object]:
        """The entries of a tree by name, asked for once; none where there is no such commit."""
        if sha not in self._trees:
            self._trees[sha] = asyncio.ensure_future(self._read_tree(sha))
        return await self._trees[sha]

    async def _read_tree(self, sha: str) -> dict[str, object]:
        try:
            reply = await self._api.get(f"{self._repo}/git/trees/{sha}")
        except (MissingError, RejectedError):
            return {}
        return {text(entry, "path"): entry for entry in items(reply.json, "tree")}


MergeBase = Callable[[], Awaitable[str | None]]


async def read(api: Api, repo: str, pr: PullRequest, contents: Contents, merge_base: MergeBase) -> PlatformDiff:
    """The diff. GitHub refuses a raw one of more than 300 files or 20,000 lines (406); some it gives up on with 5xx."""
    try:
        raw = await api.raw(f"{repo}/pulls/{pr.number}", "application/vnd.github.diff", limit=_MOST_DIFF)
        parsed = parse(raw) if raw.strip() else None
        return PlatformDiff(files=parsed.files if parsed else (), unread=parsed.unread if parsed else (), source="raw")
    except (RejectedError, DownError, SourceError):
        return await _by_files(api, repo, pr, contents, merge_base)


async def _by_files(api: Api, repo: str, pr: PullRequest, contents: Contents, merge_base: MergeBase) -> PlatformDiff:
    pages = await api.pages(f"{repo}/pulls/{pr.number}/files", {"per_page": 100})
    entries = [entry for entry in pages.items if text_or_none(entry, "status") in _STATUS]
    files = [_file(entry) for entry in entries]
    lacking = [i for i, entry in enumerate(entries) if _lacks_patch(entry)]
    filled = await asyncio.gather(
        *(_from_blobs(files[i], entries[i], contents, merge_base) for i in lacking[:_MOST_BLOBS])
    )
    for i, file in zip(lacking, filled, strict=False):
        files[i] = file
    for i in lacking[_MOST_BLOBS:]:
        files[i] = replace(files[i], unreadable=f"GitHub gives no diff for it, nor for {len(lacking) - 1} others")
    return PlatformDiff(
        files=tuple(files),
        unread=_cut(len(pages.items), pr.changed_files, complete=pages.complete),
        source="blobs" if lacking else "files",
    )


def _cut(listed: int, changed: int | None, *, complete: bool) -> tuple[Unread, ...]:
    if complete and listed < _LISTED and (changed is None or listed >= changed):
        return ()
    if changed is not None and listed >= changed:
        return ()
    of = f" of {changed:,}" if changed is not None else ""
    return (Unread(None, f"GitHub lists only {listed:,}{of} changed files"),)


def _lacks_patch(entry: object) -> bool:
    return text_or_none(entry, "patch") is None and bool(number_or_none(entry, "changes"))


def _file(entry: object) -> FileChange:
    path, patch, sha = text(entry, "filename"), text_or_none(entry, "patch"), text_or_none(entry, "sha")
    status = _STATUS[text(entry, "status")]
    old = text_or_none(entry, "previous_filename")
    mode = "160000" if patch and _SUBMODULE.search(patch) else None
    bare = FileChange(
        path=path,
        status=status,
        old_path=old if old != path else None,
        old_mode=None if status == "added" else mode,
        new_mode=None if status == "deleted" else mode,
        new_sha=sha if status != "deleted" else None,
        old_sha=sha if status == "deleted" else None,
    )
    if patch is None:
        renamed = status in ("renamed", "copied") or sha in _EMPTY_BLOBS
        return replace(bare, binary=not renamed and not number_or_none(entry, "changes"))
    try:
        read_ = parse(b"diff --git a/f b/f\n--- a/f\n+++ b/f\n" + patch.encode("utf-8", "surrogatepass") + b"\n")
    except SourceError as error:
        return replace(bare, unreadable=f"GitHub's diff of it cannot be read: {error.message}")
    one = read_.files[0]
    return replace(bare, hunks=one.hunks, added=one.added, deleted=one.deleted, unreadable=one.unreadable)


async def _from_blobs(file: FileChange, entry: object, contents: Contents, merge_base: MergeBase) -> FileChange:
    """The file with the hunks between its two versions."""
    old: bytes | None = b""
    new: bytes | None = b""
    if file.status != "deleted":
        new = await contents.blob(text(entry, "sha"))
    if file.status != "added":
        base = await merge_base()
        old = await contents.file(file.base_path, base) if base is not None else None
    if old is None or new is None:
        return replace(file, unreadable="GitHub gives no diff for it, and it is too large or not to be had")
    if is_binary(old) or is_binary(new):
        return replace(file, binary=True)
    hunks = hunks_between(old, new)
    kinds = [line.kind for hunk in hunks for line in hunk.lines()]
    return replace(file, hunks=hunks, added=kinds.count("+"), deleted=kinds.count("-"))

"""Changes on this machine: the working tree, the index, commits, and diff files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from loom.core.change import ChangeRef, ChangeSet
from loom.core.diff import FileChange
from loom.core.errors import SourceError
from loom.infra import checkout
from loom.infra.apply_diff import unapply
from loom.infra.git import Git
from loom.infra.git_objects import TreeFiles
from loom.infra.git_trees import WrittenTree
from loom.infra.parse_diff import parse

if TYPE_CHECKING:
    from loom.platforms.base import Reading  # only the name: a local review needs nothing else of it

_SUBMODULE = "160000"


def local(git: Git, *, base: str | None = None) -> Reading:
    """The working tree with its untracked files against the merge base of HEAD with `base`, or with the upstream, or
    with the default branch; where none of these is, against HEAD; before the first commit, against nothing."""
    written = git.write_worktree_tree()  # first: it refuses a bare repository
    head = git.head()
    target = base or (git.upstream_or_default() if head else None)
    if head is None and base is None:
        return _uncommitted(git, ChangeRef("local"), written)
    tip = git.resolve(target) if target else head
    assert tip is not None
    merge_base = _common(git, tip, head, target or "HEAD") if head else tip
    ref = ChangeRef("local", target_branch=_short(target), base_sha=tip, merge_base=merge_base)
    return _uncommitted(git, ref, written)


def staged(git: Git) -> Reading:
    """The index against HEAD."""
    written = git.write_index_tree()
    head = git.head()
    return _uncommitted(git, ChangeRef("staged", base_sha=head, merge_base=head), written)


def range_(git: Git, base: str, head: str | None = None) -> Reading:
    """What `head` (HEAD) has that `base` has not: from their merge base, as a pull request shows it. The id
    of the empty tree is a base, too."""
    if base == git.empty_tree:  # as in `git diff`: all there is
        return _committed(git, ChangeRef("range", head_sha=git.resolve(head or "HEAD"), merge_base=base))
    tip, top = git.resolve(base), git.resolve(head or "HEAD")
    merge_base = _common(git, tip, top, base)
    return _committed(git, ChangeRef("range", target_branch=base, base_sha=tip, head_sha=top, merge_base=merge_base))


def commit(git: Git, rev: str) -> Reading:
    """One commit against its first parent; the first commit against nothing."""
    sha = git.resolve(rev)
    parent = git.parent(sha)
    subject, body, author = git.describe(sha)
    ref = ChangeRef(
        "range",
        title=subject or None,
        description=body or None,
        author=author or None,
        base_sha=parent,
        head_sha=sha,
        merge_base=parent or git.empty_tree,
    )
    return _committed(git, ref)


def diff_file(data: bytes, *, root: Path | None) -> Reading:
    """A diff made elsewhere. With `root`, files of that checkout serve as whole files where the diff fits them."""
    parsed = parse(data)
    return ChangeSet(ChangeRef("diff"), parsed.files, parsed.unread), _FittingFiles(parsed.files, root)


# -- from git ---------------------------------------------------------------------------------------------------------


def _uncommitted(git: Git, ref: ChangeRef, written: WrittenTree) -> Reading:
    ref = replace(ref, head_sha=written.tree, merge_base=ref.merge_base or git.empty_tree)
    change, files = _committed(git, ref)
    return replace(change, files=change.files + written.files, unread=change.unread + written.unread), files


def _committed(git: Git, ref: ChangeRef) -> Reading:
    assert ref.merge_base is not None
    assert ref.head_sha is not None
    files, unread = git.changes(ref.merge_base, ref.head_sha)
    return ChangeSet(ref, files, unread), TreeFiles(git, base=ref.merge_base, head=ref.head_sha)


def _common(git: Git, tip: str, head: str, name: str) -> str:
    found = git.merge_base(tip, head)
    if found is not None:
        return found
    if git.is_shallow():
        raise SourceError(
            f"this shallow clone does not reach back to where the change left {_short(name)}",
            hint="`git fetch --unshallow`, or fetch-depth: 0 (GitLab: GIT_DEPTH: 0) in the checkout step",
            slug="shallow",
        )
    raise SourceError(
        f"the change and {_short(name)} have no common history",
        hint="name what to compare with: `--base REV`, or review one commit with `--commit REV`",
        slug="no-merge-base",
    )


def _short(ref: str | None) -> str | None:
    """A ref as people write it: `origin/main`."""
    return None if ref is None else ref.removeprefix("refs/heads/").removeprefix("refs/remotes/")


# -- from a diff file -------------------------------------------------------------------------------------------------


class _FittingFiles:
    """Files of a checkout, as far as they are what the diff leads to."""

    def __init__(self, files: tuple[FileChange, ...], root: Path | None) -> None:
        self._root = root
        self._by_path = {file.path: file for file in files}
        self._by_base_path = {file.base_path: file for file in files if file.status not in ("added", "copied")}

    def head(self, path: str) -> bytes | None:
        """The file after the change, when the checkout has it."""
        file = self._by_path.get(path)
        return self._both(file)[1] if file is not None and file.status != "deleted" else None

    def base(self, path: str) -> bytes | None:
        """The file before the change, worked out from the one after it."""
        file = self._by_base_path.get(path)
        return self._both(file)[0] if file is not None else None

    def _both(self, file: FileChange) -> tuple[bytes | None, bytes | None]:
        if file.unreadable or file.binary or _SUBMODULE in (file.old_mode, file.new_mode):
            return None, None
        if file.status == "deleted":
            return unapply(b"", file.hunks), None
        new = checkout.read_regular(self._root, file.path) if self._root is not None else None
        old = unapply(new, file.hunks) if new is not None else None
        whole = file.status != "added" or old == b""  # of an added file, the diff has every line
        return (old, new) if old is not None and whole else (None, None)

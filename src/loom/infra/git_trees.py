"""The work tree and the index as tree objects, the way `git stash` makes them: in a copy of the index, with new objects
in a temporary directory, and without asking submodules, hooks, fsmonitor or the repository's own filters."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from loom.core.change import Unread
from loom.core.diff import FileChange, decode_path
from loom.core.errors import SourceError
from loom.infra.git_place import Place
from loom.infra.process import Completed

MAX_UNTRACKED = 10_000_000
"""Bytes. Larger untracked files are named but not read: they are data more often than code, and copying takes time."""
_BINARY_PROBE = 8000  # as git decides it

Failed = Callable[[str, Completed], SourceError]


class Call(Protocol):
    """git, run with the work tree, the copied index and the temporary object directory."""

    def __call__(self, *args: str, stdin: bytes | None = None) -> Completed:
        """Run it; any exit code comes back."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A copy of the index to work in."""

    root: Path
    call: Call
    failed: Failed

    def output(self, *args: str, stdin: bytes | None = None) -> bytes:
        """What a command printed. Raises SourceError when it failed."""
        done = self.call(*args, stdin=stdin)
        if done.returncode != 0:
            raise self.failed(args[0], done)
        return done.stdout


@dataclass(frozen=True, slots=True)
class WrittenTree:
    """A tree made from files that are not committed."""

    tree: str
    files: tuple[FileChange, ...] = ()
    """Files of the change that are not in the tree: large untracked binary ones."""
    unread: tuple[Unread, ...] = ()


def copy_index(place: Place, folder: Path) -> None:
    """The index, its shared part if it is split, and the local rules on files, into our git directory."""
    for source, name in (
        (place.index, "index"),
        (place.common_dir / "info/exclude", "info/exclude"),
        (place.common_dir / "info/attributes", "info/attributes"),
        (place.git_dir / "info/sparse-checkout", "info/sparse-checkout"),
        *((path, path.name) for path in place.git_dir.glob("sharedindex.*")),
    ):
        if source.is_file():
            (folder / name).parent.mkdir(exist_ok=True)
            shutil.copy2(source, folder / name)  # with its time: a copy that looks newer would hide racy changes


def write_index(stage: Stage) -> WrittenTree:
    """The index as a tree."""
    conflicts: dict[bytes, bytes] = {}
    for line in _fields(stage.output("ls-files", "-u", "-z")):
        head, _, path = line.partition(b"\t")
        mode, sha, number = head.split(b" ")
        ours = b"%s %s 0\t%s" % (mode, sha, path)
        conflicts[path] = ours if number == b"2" else conflicts.get(path, b"0 %s\t%s" % (b"0" * len(sha), path))
    if conflicts:
        removals = [b"0 %s\t%s" % (b"0" * 40, path) for path in conflicts]
        stage.output("update-index", "-z", "--index-info", stdin=b"\0".join([*removals, *conflicts.values(), b""]))
    reason = "it has merge conflicts, so nothing of it is staged"
    unread = tuple(Unread(decode_path(path), reason) for path in sorted(conflicts))
    return WrittenTree(_write(stage), unread=unread)


def write_worktree(stage: Stage) -> WrittenTree:
    """The work tree as a tree. Files that cannot be read are named, and stay as the index has them."""
    present, gone, files, unread = [], [], [], []
    for path in _changed(stage):
        if _exists(stage.root, path):
            problem = _problem(stage.root, path)
            present.append(path) if problem is None else unread.append(Unread(decode_path(path), problem))
        else:
            gone.append(path)
    for path in _untracked(stage):
        left_out = _left_out(stage.root, path)
        if left_out is None:
            present.append(path)
        elif isinstance(left_out, Unread):
            unread.append(left_out)
        else:
            files.append(left_out)
    if gone:
        stage.output("update-index", "--force-remove", "-z", "--stdin", stdin=_list(gone))
    unread += _add(stage, present)
    return WrittenTree(_write(stage), tuple(files), tuple(unread))


def paths(stage: Stage) -> tuple[str, ...]:
    """Tracked and untracked paths, without the ignored ones."""
    tracked = _fields(stage.output("ls-files", "--cached", "-z"))
    return tuple(decode_path(path) for path in dict.fromkeys((*tracked, *_untracked(stage))))


def _changed(stage: Stage) -> list[bytes]:
    """Tracked paths whose content, mode or type may differ from the index; conflicts and intents to add among them.
    `dirty` submodules would be looked into by a git run inside them, with their configuration."""
    fields = _fields(stage.output("diff-files", "--name-only", "-z", "--ignore-submodules=dirty"))
    return list(dict.fromkeys(fields))


def _untracked(stage: Stage) -> list[bytes]:
    """Files that are neither tracked nor ignored. A trailing slash marks a repository inside this one: not ours."""
    fields = _fields(stage.output("ls-files", "--others", "--exclude-standard", "-z"))
    return [path for path in fields if not path.endswith(b"/")]


def _exists(root: Path, path: bytes) -> bool:
    """Whether the path is there, without going through a link on the way."""
    place = os.fsencode(root)
    parts = path.split(b"/")
    for part in parts[:-1]:
        place = os.path.join(place, part)  # noqa: PTH118 (bytes: names need not be text)
        if not _is(place, stat.S_ISDIR):
            return False
    return os.path.lexists(os.path.join(place, parts[-1]))  # noqa: PTH118 (bytes)


def _is(place: bytes, kind: Callable[[int], bool]) -> bool:
    try:
        return kind(os.lstat(place).st_mode)
    except OSError:
        return False


def _problem(root: Path, path: bytes) -> str | None:
    """Why a file cannot become a blob; None when it can."""
    place = os.path.join(os.fsencode(root), path)  # noqa: PTH118 (bytes)
    mode = os.lstat(place).st_mode
    if stat.S_ISREG(mode):
        return None if os.access(place, os.R_OK) else "it cannot be opened: permission denied"
    return None if stat.S_ISLNK(mode) or stat.S_ISDIR(mode) else "it is neither a file nor a link"


def _left_out(root: Path, path: bytes) -> Unread | FileChange | None:
    """What stands for an untracked file that is not read; None for one that is."""
    problem = _problem(root, path)
    if problem is not None:
        return Unread(decode_path(path), problem)
    place = os.path.join(os.fsencode(root), path)  # noqa: PTH118 (bytes)
    found = os.lstat(place)
    if not stat.S_ISREG(found.st_mode) or found.st_size <= MAX_UNTRACKED:
        return None
    with os.fdopen(os.open(place, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)), "rb") as file:
        binary = b"\0" in file.read(_BINARY_PROBE)
    if binary:
        return FileChange(path=decode_path(path), status="added", new_mode="100644", binary=True)
    reason = f"it is untracked and larger than {MAX_UNTRACKED // 1_000_000} MB; should .gitignore name it?"
    return Unread(decode_path(path), reason)


def _add(stage: Stage, paths: Sequence[bytes]) -> list[Unread]:
    """Put files into the index. git stops at the first it cannot take (a clean filter fails), so halves are tried."""
    if not paths:
        return []
    done = stage.call("update-index", "--add", "--remove", "--replace", "-z", "--stdin", stdin=_list(paths))
    if done.returncode == 0:
        return []
    if len(paths) == 1:
        return [Unread(decode_path(paths[0]), stage.failed("update-index", done).message)]
    middle = len(paths) // 2
    return _add(stage, paths[:middle]) + _add(stage, paths[middle:])


def _write(stage: Stage) -> str:
    """Blobs may be missing in a partial clone; what did not change is not needed."""
    return stage.output("write-tree", "--missing-ok").decode("ascii").strip()


def _fields(output: bytes) -> list[bytes]:
    return output.split(b"\0")[:-1]


def _list(paths: Iterable[bytes]) -> bytes:
    return b"".join(path + b"\0" for path in paths)

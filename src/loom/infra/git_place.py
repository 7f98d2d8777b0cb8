"""Where a repository is: found by looking at the file system, so that no git runs before we say how."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from loom.core.errors import SourceError

_NOT_ONE = "run Loom inside a checkout, or review a diff from anywhere with `--diff FILE` (`-` reads stdin)"


@dataclass(frozen=True, slots=True)
class Place:
    """The directories of one repository as seen from one work tree. All absolute."""

    git_dir: Path
    """Of this work tree: `.git`, or `…/worktrees/NAME`, or `…/modules/NAME`."""
    common_dir: Path
    """What all work trees share: objects, refs, configuration."""
    root: Path | None
    """The work tree; None for a bare repository."""
    index: Path
    """The index in use; need not exist."""
    object_dirs: tuple[Path, ...]
    """Where objects are, quarantine of a hook included."""


def find(start: Path, environ: Mapping[str, str]) -> Place:
    """The repository that `start` is in, by git's own rules, `GIT_DIR` and `GIT_INDEX_FILE` as set in hooks included.

    Raises SourceError.
    """
    start = Path(os.path.abspath(start))  # noqa: PTH100 (Path.absolute keeps "..", resolve follows links)
    if environ.get("GIT_DIR"):
        git_dir = _valid(start / environ["GIT_DIR"], "GIT_DIR")
        root = start / environ["GIT_WORK_TREE"] if environ.get("GIT_WORK_TREE") else _owner(git_dir, start)
        return _place(git_dir, root, start, environ)
    for folder in (start, *start.parents):
        dot_git = folder / ".git"
        if os.path.lexists(dot_git):
            target = _pointed_to(dot_git)
            if target is not None:
                return _place(target, folder, start, environ)
        if _is_git_dir(folder):
            return _place(folder, None, start, environ)
    if not start.exists():
        raise SourceError(f"{start} does not exist", hint=_NOT_ONE, slug="no-repository")
    raise SourceError(f"{start} is not in a git repository", hint=_NOT_ONE, slug="no-repository")


def make_bare(folder: Path) -> Place:
    """An empty bare repository in an empty folder."""
    for name in ("objects", "refs"):
        (folder / name).mkdir()
    (folder / "HEAD").write_text("ref: refs/heads/none\n", "ascii")
    (folder / "config").write_text("[core]\n\trepositoryFormatVersion = 0\n\tbare = true\n", "ascii")
    return _place(folder, None, folder, {})


def _owner(git_dir: Path, start: Path) -> Path | None:
    """The work tree when only GIT_DIR is set: where we stand, as git has it, unless that is a bare repository."""
    inside = start == git_dir or git_dir in start.parents
    return None if inside or (git_dir.name != ".git" and not (git_dir / "commondir").exists()) else start


def _pointed_to(dot_git: Path) -> Path | None:
    """The git directory that `.git` is or names; None when it is just something of that name (git goes on up)."""
    if dot_git.is_dir():
        return dot_git if _is_git_dir(dot_git) else None
    try:
        content = dot_git.read_bytes()[:8192]
    except OSError as error:
        raise SourceError(f"{dot_git} cannot be read: {error.strerror}", slug="no-repository") from error
    if not content.startswith(b"gitdir: "):
        return None
    target = Path(os.path.normpath(dot_git.parent / os.fsdecode(content[8:].rstrip(b"\r\n"))))
    return _valid(target, str(dot_git))


def _valid(git_dir: Path, named_by: str) -> Path:
    if _is_git_dir(git_dir):
        return Path(os.path.abspath(git_dir))  # noqa: PTH100 (as above)
    raise SourceError(
        f"{named_by} names {git_dir}, which is no git directory",
        hint="a moved work tree is mended by `git worktree repair`, a submodule by `git submodule update --init`",
        slug="no-repository",
    )


def _is_git_dir(folder: Path) -> bool:
    shared = (folder / "commondir").is_file() or ((folder / "objects").is_dir() and (folder / "refs").is_dir())
    return shared and os.path.lexists(folder / "HEAD")  # HEAD may be a link to a branch that has no commit yet


def _place(git_dir: Path, root: Path | None, start: Path, environ: Mapping[str, str]) -> Place:
    common = git_dir
    pointer = git_dir / "commondir"
    if pointer.is_file():
        common = Path(os.path.normpath(git_dir / os.fsdecode(pointer.read_bytes().rstrip(b"\r\n"))))
    index = environ.get("GIT_INDEX_FILE")
    return Place(
        git_dir=git_dir,
        common_dir=common,
        root=root,
        index=start / index if index else git_dir / "index",
        object_dirs=_object_dirs(common, start, environ),
    )


def _object_dirs(common: Path, start: Path, environ: Mapping[str, str]) -> tuple[Path, ...]:
    named = [environ.get("GIT_OBJECT_DIRECTORY", "")]
    named += environ.get("GIT_ALTERNATE_OBJECT_DIRECTORIES", "").split(os.pathsep)
    return (common / "objects", *(start / name for name in named if name))
